"""The backend's audio as Ogg/Opus; Opus packets are copied, never encoded again."""

import struct
from fractions import Fraction

import av
from av.audio.stream import AudioStream
from av.packet import Packet

from .audio_errors import BadAudioError
from .backend_audio import NO_SOUND, NOT_WHOLE, BackendAudio, opened
from .libav import MuxerOutput, ogg_options
from .ogg_pages import IS_OGG_OPUS_BYTES, OPUS_HEADERS, OggPages, is_ogg_opus
from .peekable import ByteReader, PeekableReader
from .speech_formats import OPUS_RATE, Encoded
from .workers.work import Write

PIECE_BYTES = 65536
PAGES = {"flush_packets": "1", "page_duration": "20000"}
_PRE_SKIP = struct.Struct("<10xH")
_ENCODED = Encoded("ogg", "libopus", "s16", OPUS_RATE, 64_000, container_options=PAGES)


def remux_to_ogg(source: ByteReader, write: Write) -> None:
    """Write source as Ogg/Opus: passed through, copied, or encoded if it is not Opus.

    Raises:
        BadAudioError: source is no audio or holds no sound, and nothing was written; or it is
            incomplete.
    """
    reader = PeekableReader(source)
    if is_ogg_opus(reader.peek(IS_OGG_OPUS_BYTES)):
        _pass(reader, write)
        return
    with opened(reader) as audio:
        if audio.decoding.is_opus:
            _copy(audio, write)
        else:
            _ENCODED.encode(audio, _ENCODED.encoder(), write)


def _pass(reader: PeekableReader, write: Write) -> None:
    """Pass Ogg/Opus through, once it holds sound."""
    pages, held = OggPages(reader), b""
    while piece := pages.read(PIECE_BYTES):
        held += piece
        if pages.packets > OPUS_HEADERS:
            write(held, pages.granule / OPUS_RATE)
            held = b""
    if pages.packets <= OPUS_HEADERS:
        raise BadAudioError(NO_SOUND)
    if held:
        write(held, pages.granule / OPUS_RATE)
    if not pages.ended:
        raise BadAudioError(NOT_WHOLE)


def _copy(audio: BackendAudio, write: Write) -> None:
    """Copy Opus packets into Ogg pages."""
    muxer = None
    for packet in audio.decoding.packets():
        if muxer is None:
            muxer = _Muxer(packet.stream)
        if pages := muxer.mux(packet):
            write(pages, muxer.seconds)
    if muxer is None:
        raise BadAudioError(NO_SOUND)
    write(muxer.finish(), muxer.seconds)
    audio.require_all()


class _Muxer:
    """Writes Opus packets to an Ogg stream, which is returned while it is written."""

    def __init__(self, came_from: AudioStream) -> None:
        self._written = MuxerOutput()
        self._file = av.open(
            self._written, "w", format="ogg", container_options=PAGES | ogg_options()
        )
        self._stream = self._file.add_stream_from_template(came_from)
        head = came_from.codec_context.extradata or b""
        self._samples: int = -_PRE_SKIP.unpack_from(head.ljust(_PRE_SKIP.size, b"\0"))[0]

    @property
    def seconds(self) -> float:
        """Seconds of audio written so far."""
        return max(self._samples, 0) / OPUS_RATE

    def mux(self, packet: "Packet[AudioStream]") -> bytes:
        """Return the bytes of the stream that are ready with packet."""
        lasts = samples_of(bytes(packet))
        # Matroska's own times are in milliseconds, and Opus's frames may be shorter than three.
        packet.time_base = Fraction(1, OPUS_RATE)
        packet.pts = packet.dts = self._samples
        packet.duration = lasts
        packet.stream = self._stream
        self._samples += lasts
        self._file.mux(packet)
        return self._written.take()

    def finish(self) -> bytes:
        """Return the rest of the stream."""
        self._file.close()
        return self._written.take()


def samples_of(packet: bytes) -> int:
    """Return how many samples at 48 kHz an Opus packet stands for (RFC 6716, section 3.1)."""
    configuration, count_code = packet[0] >> 3, packet[0] & 3
    if configuration < 12:
        frame = (480, 960, 1920, 2880)[configuration % 4]
    elif configuration < 16:
        frame = (480, 960)[configuration % 2]
    else:
        frame = (120, 240, 480, 960)[configuration % 4]
    if count_code < 3:
        return frame * (1, 2, 2)[count_code]
    return frame * (packet[1] & 0x3F) if len(packet) > 1 else 0
