"""Converts an upload of any usual format to the backend's Ogg/Opus, while it comes."""

import errno
import tempfile
from collections.abc import Callable, Iterator
from typing import BinaryIO

import av.error
from av.audio.frame import AudioFrame

from .aiff_and_caf import aiff_in_order, caf_in_order
from .audio_errors import BadAudioError
from .container_detection import container_of
from .conversion_thread import Source
from .decoding import DECODERS, Decoding
from .libav import Encoder, NoOtherFileError, open_input, resampled
from .mp4 import plausible
from .peekable import ByteReader, PeekableReader

OPUS_RATE = 48_000
BIT_RATE = 144_000
"""Bits a second; constant, and enough for the hardest frame, as most uploads were encoded before.
"""
CODEC_OPTIONS = {"vbr": "off", "frame_duration": "20"}
"""Silence is as large as sound: StreamKit drops packets under 10 bytes, and pauses with them.

It decodes frames of 2.5 to 40 ms.
"""
PAGE_MICROSECONDS = 20_000
PROBE_BYTES = 4096
"""Bytes that libav probes for what the headers do not tell, such as MP3's rate."""
MAX_SECONDS = 4 * 3600.0
"""Seconds of audio in one upload: a few bytes of FLAC or Opus may stand for minutes of silence."""
SPOOLED = ("mov", "aiff", "caf")
KINDS = "WAV, MP3, M4A, MP4, WebM, Ogg (Opus or Vorbis), FLAC, AAC, AIFF, CAF or AU"

NOT_KNOWN = f"the file is of no known kind; send {KINDS}"
NO_AUDIO = f"the file has no audio that can be read; send {KINDS}"
EMPTY = f"the file is empty; send {KINDS}"
TOO_LONG = f"the audio is longer than {MAX_SECONDS / 3600:g} hours"


class Upload:
    """The conversion of one upload."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """Seconds of audio converted so far."""

    def convert(self, source: Source, write: Callable[[bytes], None]) -> None:
        """Convert source; to be run in a thread.

        Raises:
            BadAudioError: source is not audio that can be converted.
            OSError: the disk failed, where an upload is kept that cannot be read in one pass.
        """
        reader = PeekableReader(source)
        if not (first := reader.read(1)):
            raise BadAudioError(EMPTY)
        reader.put_back(first)
        container = container_of(reader)
        if container is None:
            raise BadAudioError(NOT_KNOWN)
        if container not in SPOOLED:
            self._convert_file(reader, container, write)
            return
        # What tells how to read the audio may be at the file's end.
        with tempfile.TemporaryFile() as spool:
            while piece := reader.read(65536):
                spool.write(piece)
            spool.flush()
            file = Spool(spool)
            try:
                if (shown := _shown(file, container)) is None:
                    raise BadAudioError(NO_AUDIO)
                self._convert_file(shown, container, write)
            finally:
                if file.failure is not None:
                    raise file.failure

    def _convert_file(
        self, file: ByteReader, container: str, write: Callable[[bytes], None]
    ) -> None:
        try:
            with open_input(file, container, DECODERS, PROBE_BYTES) as opened:
                self._convert_frames(Decoding(opened).frames(), write)
        except (av.error.FFmpegError, NoOtherFileError):
            raise BadAudioError(NO_AUDIO) from None

    def _convert_frames(self, frames: Iterator[AudioFrame], write: Callable[[bytes], None]) -> None:
        encoder = Encoder(
            *("ogg", "libopus"),
            rate=OPUS_RATE,
            bit_rate=BIT_RATE,
            codec_options=CODEC_OPTIONS,
            container_options={"page_duration": str(PAGE_MICROSECONDS)},
        )
        for frame in resampled(frames, "s16", OPUS_RATE):
            pages = encoder.encode(frame)
            self.seconds = encoder.samples / OPUS_RATE
            if self.seconds > MAX_SECONDS:
                raise BadAudioError(TOO_LONG)
            if pages:
                write(pages)
        if not encoder.samples:
            raise BadAudioError(NO_AUDIO)
        write(encoder.finish())


def _shown(file: "Spool", container: str) -> ByteReader | None:
    """Return file as libav is to read it, from its beginning; None when it is implausible."""
    if container == "aiff":
        return aiff_in_order(file)
    if container == "caf":
        return caf_in_order(file)
    return file if plausible(file.file) else None


class Spool:
    """A file on disk, as libav reads it: an error is kept, not raised into libav."""

    def __init__(self, file: BinaryIO) -> None:
        self.tell = file.tell
        self.failure: OSError | None = None
        """Why the disk could not be read; for libav, the file ended there."""
        self.file = file

    def read(self, size: int, /) -> bytes:
        """Return some bytes, at most size; nothing at the end."""
        try:
            return self.file.read(size)
        except OSError as error:
            self.failure = error
            return b""

    def seek(self, offset: int, whence: int) -> int:
        """Seek; return the position, or a negative error number."""
        try:
            return self.file.seek(offset, whence)
        except OSError as error:
            if error.errno != errno.EINVAL:
                self.failure = error
            return -errno.EINVAL
