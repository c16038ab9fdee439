"""An upload of any usual kind to the Ogg/Opus that the backend takes, while it comes."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import av.error
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from .conversion import ConversionError, Source
from .libav import Encoder, NoOtherFileError, Readable, open_input, resampled
from .mp4 import plausible

OPUS_RATE = 48_000
BIT_RATE = 32_000
PAGE_MICROSECONDS = 20_000
PROBE_BYTES = 4096
"""How far libav looks for what the headers do not tell, MP3's rate for one."""
HEAD_BYTES = 12
LEAST_RATE, MOST_RATE = 4_000, 768_000
LONGEST_SECONDS = 4 * 3600.0
"""Of audio in one upload: a few bytes of FLAC or Opus may stand for minutes of silence."""
DECODERS = (
    *("opus", "vorbis", "flac", "mp3float", "mp3", "mp2float", "mp2", "aac", "alac"),
    *("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"),
    *("pcm_alaw", "pcm_mulaw", "pcm_s16be", "pcm_s24be", "pcm_f32be", "adpcm_ms", "adpcm_ima_wav"),
)
KINDS = "WAV, MP3, M4A, MP4, WebM, Ogg (Opus or Vorbis) or FLAC"

NOT_KNOWN = f"the file is of no known kind; send {KINDS}"
NO_AUDIO = f"the file has no audio that can be read; send {KINDS}"
EMPTY = f"the file is empty; send {KINDS}"
STRANGE_RATE = f"the audio's sample rate is not between {LEAST_RATE} and {MOST_RATE} Hz"
TOO_LONG = f"the audio is longer than {LONGEST_SECONDS / 3600:g} hours"


class Upload:
    """One upload's conversion."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """Of audio converted so far."""

    def convert(self, source: Source, write: Callable[[bytes], None]) -> None:
        """Convert source, in a thread; raises ConversionError."""
        head = _head(source)
        if not head:
            raise ConversionError(EMPTY)
        container = _container(head)
        file = _Rejoined(head, source)
        if container != "mov":
            self._convert_file(file, container, write)
            return
        # What tells how to read the audio may be at the file's end.
        with tempfile.TemporaryFile() as spool:
            while piece := file.read(65536):
                spool.write(piece)
            if not plausible(spool):
                raise ConversionError(NO_AUDIO)
            spool.seek(0)
            self._convert_file(spool, container, write)

    def _convert_file(self, file: Readable, container: str, write: Callable[[bytes], None]) -> None:
        try:
            with open_input(file, container, DECODERS, PROBE_BYTES) as opened:
                self._convert_frames(_frames(opened), write)
        except (av.error.FFmpegError, NoOtherFileError):
            raise ConversionError(NO_AUDIO) from None

    def _convert_frames(self, frames: Iterator[AudioFrame], write: Callable[[bytes], None]) -> None:
        encoder = Encoder(
            *("ogg", "libopus"),
            rate=OPUS_RATE,
            bit_rate=BIT_RATE,
            codec_options={},
            container_options={"page_duration": str(PAGE_MICROSECONDS)},
        )
        for frame in resampled(frames, "s16", OPUS_RATE):
            pages = encoder.encode(frame)
            self.seconds = encoder.samples / OPUS_RATE
            if self.seconds > LONGEST_SECONDS:
                raise ConversionError(TOO_LONG)
            if pages:
                write(pages)
        if not encoder.samples:
            raise ConversionError(NO_AUDIO)
        write(encoder.finish())


@dataclass(slots=True)
class _Rejoined:
    """A source with its head, which was read to look at, in front again."""

    head: bytes
    source: Source

    def read(self, size: int) -> bytes:
        """Return some bytes, nothing at the end."""
        if not self.head:
            return self.source.read(size)
        taken, self.head = self.head[:size], self.head[size:]
        return taken


def _head(source: Source) -> bytes:
    head = b""
    while len(head) < HEAD_BYTES and (piece := source.read(HEAD_BYTES - len(head))):
        head += piece
    return head


def _container(head: bytes) -> str:
    """Return libav's name for the container that begins with head; raises ConversionError.

    Only these are ever opened: libav also knows playlists, which name other files.
    """
    match head[:4], head[4:8], head[8:12]:
        case b"RIFF", _, b"WAVE":
            return "wav"
        case _, b"ftyp", _:
            return "mov"
        case b"\x1a\x45\xdf\xa3", _, _:
            return "matroska"
        case b"OggS", _, _:
            return "ogg"
        case b"fLaC", _, _:
            return "flac"
    if head[:3] == b"ID3" or _begins_mpeg_audio(head):
        return "mp3"
    raise ConversionError(NOT_KNOWN)


def _begins_mpeg_audio(head: bytes) -> bool:
    """Return whether head is an MPEG audio frame's; AAC's differs in the layer, which is 0."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0


def _frames(opened: InputContainer) -> Iterator[AudioFrame]:
    """Yield what decodes of the first audio there is; what does not is left out."""
    stream = _audio(opened)
    if stream is None:
        return
    stream.codec_context.thread_count = 1
    try:
        for packet in opened.demux(stream):
            yield from _decoded(packet)
    except av.error.FFmpegError:
        return  # cut or damaged from here on: what there was, counts


def _audio(opened: InputContainer) -> AudioStream | None:
    for stream in opened.streams.audio:
        # The list holds for what libav opens by itself; this, for what is opened here.
        if stream.codec_context is not None and stream.codec_context.name in DECODERS:
            return stream
    return None


def _decoded(packet: "Packet[AudioStream]") -> Iterator[AudioFrame]:
    try:
        frames = packet.decode()
    except av.error.FFmpegError:
        return
    for frame in frames:
        if not LEAST_RATE <= frame.sample_rate <= MOST_RATE:
            raise ConversionError(STRANGE_RATE)
        yield frame
