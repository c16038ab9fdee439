"""Finds frames of MPEG audio (MP3) and of AAC in ADTS behind other bytes."""

from dataclasses import dataclass

from .peekable import PeekableReader

MAX_JUNK_BYTES = 64 * 1024
"""Bytes before the first frame: zeros, the rest of a tag or of another frame."""
HEAD_BYTES = 6
_READ_AT_ONCE = 4096
_SYNC = b"\xff"
_RATES = (44_100, 48_000, 32_000)
_MPEG_1, _MPEG_2_5, _RESERVED_VERSION = 3, 0, 1
_LAYER_1, _LAYER_3 = 3, 1
_ADTS_RATES = 13
_ADTS_MIN = 7
_KBITS = {
    # by whether it is MPEG 1, and the layer as it is written
    (True, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@dataclass(frozen=True, slots=True)
class Frame:
    """What a frame's header says."""

    container: str
    """libav's name: mp3 or aac."""
    kind: tuple[int, int]
    """What all frames of one file have in common: version, layer or profile, sample rate."""
    size: int | None
    """Bytes, header included; None where the header does not tell (MP3's free format)."""


def frame_of(head: bytes) -> Frame | None:
    """Return what HEAD_BYTES of a header say; None when they are no frame's."""
    if len(head) < HEAD_BYTES or head[0] != _SYNC[0] or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return _adts_frame(head)
    return _mpeg_frame(head)


def _adts_frame(head: bytes) -> Frame | None:
    rate = head[2] >> 2 & 0xF
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if rate >= _ADTS_RATES or size < _ADTS_MIN:
        return None
    return Frame("aac", (head[1] & 0xF8, head[2] & 0xFC), size)


def _mpeg_frame(head: bytes) -> Frame | None:
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bit_rate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == _RESERVED_VERSION or layer == 0 or bit_rate == 0xF or rate == 3:
        return None
    kind = (head[1] & 0xFE, head[2] & 0x0C)
    if bit_rate == 0:
        return Frame("mp3", kind, None)
    is_mpeg_1 = version == _MPEG_1
    bits = _KBITS[is_mpeg_1, layer][bit_rate - 1] * 1000
    hertz = _RATES[rate] >> (0 if is_mpeg_1 else 2 if version == _MPEG_2_5 else 1)
    padding = head[2] >> 1 & 1
    if layer == _LAYER_1:
        return Frame("mp3", kind, (12 * bits // hertz + padding) * 4)
    samples_by_8 = 72 if layer == _LAYER_3 and not is_mpeg_1 else 144
    return Frame("mp3", kind, samples_by_8 * bits // hertz + padding)


class _Window:
    """The bytes that were read ahead from a reader."""

    def __init__(self, reader: PeekableReader) -> None:
        self.data = b""
        self._reader = reader

    def reaches(self, size: int) -> bool:
        """Read ahead; return whether there are size bytes."""
        while len(self.data) < size:
            if not (piece := self._reader.read(_READ_AT_ONCE)):
                return False
            self.data += piece
        return True

    def frame_at(self, at: int) -> Frame | None:
        self.reaches(at + HEAD_BYTES)
        return frame_of(self.data[at : at + HEAD_BYTES])


def begin_at_frame(reader: PeekableReader) -> str | None:
    """Skip what is before the first frame, and return libav's name for the frames.

    A frame counts when another of its kind follows it, or when it is the first and the last thing.
    Return None, and skip nothing, when there is none within MAX_JUNK_BYTES bytes.
    """
    window = _Window(reader)
    at = found = 0
    container = None
    while container is None and at < MAX_JUNK_BYTES and window.reaches(at + 1):
        if (at := window.data.find(_SYNC, at)) < 0:
            at = len(window.data)
            continue
        container = _verified(window, at)
        found = at
        at += 1
    reader.put_back(window.data[found:] if container is not None else window.data)
    return container


def _verified(window: _Window, at: int) -> str | None:
    if (frame := window.frame_at(at)) is None:
        return None
    if frame.size is None:
        return frame.container if at == 0 else None
    following = at + frame.size
    if not window.reaches(following + HEAD_BYTES):
        return frame.container if at == 0 else None
    after = window.frame_at(following)
    return frame.container if after is not None and after.kind == frame.kind else None


class AdtsFrames:
    """Reads frames of AAC in ADTS only: libav would parse tags between them."""

    def __init__(self, source: PeekableReader) -> None:
        self._source = source
        self._frame = b""

    def read(self, size: int, /) -> bytes:
        """Return some bytes of one frame, at most size; nothing at the end."""
        if not self._frame:
            self._frame = self._next()
        taken, self._frame = self._frame[:size], self._frame[size:]
        return taken

    def _next(self) -> bytes:
        for _ in range(2):
            frame = frame_of(self._source.peek(HEAD_BYTES))
            if frame is not None and frame.container == "aac" and frame.size is not None:
                return self._source.exactly(frame.size)
            if begin_at_frame(self._source) != "aac":
                break
        return b""
