"""Converts an upload of any usual format to the backend's Ogg/Opus, while it comes."""

import errno
from collections.abc import Callable
from tempfile import TemporaryFile
from typing import BinaryIO

import av.error

from .aiff_and_caf import aiff_in_order, caf_in_order
from .audio_errors import BadAudioError
from .container_detection import container_of
from .decoding import DECODERS, Decoding
from .libav import Encoder, NoOtherFileError, is_out_of_memory, open_input, resampled
from .mp4 import plausible
from .peekable import ByteReader, PeekableReader
from .workers.work import MAX_AUDIO_SECONDS, Write

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
MIN_BYTE_RATE = 16
"""Bytes of an upload for a second of its audio. FLAC of nothing but digital silence has 24, Opus in
packets of a byte 33; fewer are made to cost hours of encoding.
"""
SECONDS_BEFORE_RATE = 300.0
"""Seconds of audio before that counts."""
MAX_UNPACKED = 2
"""Bytes of packets for a byte of an upload: Matroska's may be compressed, which no audio is."""
BYTES_BEFORE_UNPACKED = 1024 * 1024
"""Bytes of packets before that counts."""
SPOOLED = ("mov", "aiff", "caf")
KINDS = "WAV, MP3, M4A, MP4, WebM, Ogg (Opus or Vorbis), FLAC, AAC, AIFF, CAF or AU"

NOT_KNOWN = f"the file is of no known kind; send {KINDS}"
NO_AUDIO = f"the file has no audio that can be read; send {KINDS}"
EMPTY = f"the file is empty; send {KINDS}"
TOO_LONG = f"the audio is longer than {MAX_AUDIO_SECONDS / 3600:g} hours"
UNPACKED = "the audio is compressed twice; send it without the container's own compression"
TOO_FEW_BYTES = f"the audio has fewer than {MIN_BYTE_RATE} bytes a second, as no recording has"


class _Upload:
    """One upload: its bytes are counted, and what is made of them must be in proportion."""

    def __init__(self, source: ByteReader, write: Write) -> None:
        self._source = source
        self._write = write
        self._bytes = 0

    def read(self, size: int, /) -> bytes:
        """Return some bytes, at most size; nothing at the end."""
        data = self._source.read(size)
        self._bytes += len(data)
        return data

    def convert(self, file: ByteReader, container: str) -> None:
        """Convert file, which is what the upload is in libav's eyes; raises BadAudioError."""
        encoder = Encoder(
            *("ogg", "libopus"),
            rate=OPUS_RATE,
            bit_rate=BIT_RATE,
            codec_options=CODEC_OPTIONS,
            container_options={"page_duration": str(PAGE_MICROSECONDS)},
        )
        try:
            with open_input(file, container, DECODERS, PROBE_BYTES) as opened:
                decoding = Decoding(opened)
                if (decoding.declared_seconds or 0) > MAX_AUDIO_SECONDS:
                    raise BadAudioError(TOO_LONG)
                self._encode(decoding, encoder)
        except NoOtherFileError:
            raise BadAudioError(NO_AUDIO) from None
        except av.error.FFmpegError as error:
            if is_out_of_memory(error):
                raise
            raise BadAudioError(NO_AUDIO) from None

    def _encode(self, decoding: Decoding, encoder: Encoder) -> None:
        for frame in resampled(decoding.frames(), "s16", OPUS_RATE):
            pages = encoder.encode(frame)
            self._require_proportion(encoder.seconds, decoding.packet_bytes)
            if pages:
                self._write(pages, encoder.seconds)
        if not encoder.samples:
            raise BadAudioError(NO_AUDIO)
        self._write(encoder.finish(), encoder.seconds)

    def _require_proportion(self, seconds: float, packet_bytes: int) -> None:
        """Raise BadAudioError when so many seconds and packets cannot be meant by the bytes."""
        if seconds > MAX_AUDIO_SECONDS:
            raise BadAudioError(TOO_LONG)
        if seconds > SECONDS_BEFORE_RATE and seconds * MIN_BYTE_RATE > self._bytes:
            raise BadAudioError(TOO_FEW_BYTES)
        if packet_bytes > BYTES_BEFORE_UNPACKED + MAX_UNPACKED * self._bytes:
            raise BadAudioError(UNPACKED)


def convert_upload(
    source: ByteReader, write: Write, open_spool: Callable[[], BinaryIO] = TemporaryFile
) -> None:
    """Convert source to Ogg/Opus.

    Args:
        open_spool: returns a file on disk, for an upload that cannot be read in one pass.

    Raises:
        BadAudioError: source is not audio that can be converted.
        OSError: the disk failed.
    """
    upload = _Upload(source, write)
    reader = PeekableReader(upload)
    if not (first := reader.read(1)):
        raise BadAudioError(EMPTY)
    reader.put_back(first)
    container = container_of(reader)
    if container is None:
        raise BadAudioError(NOT_KNOWN)
    if container not in SPOOLED:
        upload.convert(reader, container)
        return
    # What tells how to read the audio may be at the file's end.
    with open_spool() as spool:
        while piece := reader.read(65536):
            spool.write(piece)
        spool.flush()
        _convert_spooled(upload, Spool(spool), container)


def _convert_spooled(upload: _Upload, file: "Spool", container: str) -> None:
    try:
        if (shown := _shown(file, container)) is None:
            raise BadAudioError(NO_AUDIO)
        upload.convert(shown, container)
    finally:
        if file.failure is not None:
            raise file.failure


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
