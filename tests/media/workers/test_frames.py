"""What a worker answers, taken out of the stream again; a worker may be out of its mind."""

import pytest

from speech_gateway.media.workers.frames import MAX_PAYLOAD, FrameError, FrameReader, Kind, pack

STREAM = pack(Kind.DATA, b"one", 0.5) + pack(Kind.DATA, b"2", 1) + pack(Kind.BAD_AUDIO, b"why", 2)


def read(*pieces: bytes) -> list[tuple[Kind, float, bytes]]:
    reader = FrameReader()
    found = []
    for piece in pieces:
        reader.feed(piece)
        while (frame := reader.next()) is not None:
            found.append((frame.kind, frame.seconds, frame.payload))
    return found


def test_frames_come_back_however_the_stream_is_cut() -> None:
    expected = [(Kind.DATA, 0.5, b"one"), (Kind.DATA, 1, b"2"), (Kind.BAD_AUDIO, 2, b"why")]

    assert read(STREAM) == expected
    assert read(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == expected


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xff" * 13,
        pack(Kind.DATA, b"", 0),
        pack(Kind.DATA, b"", 0)[:9] + (MAX_PAYLOAD + 1).to_bytes(4),
    ],
)
def test_what_is_no_frame_is_an_error(nonsense: bytes) -> None:
    with pytest.raises(FrameError):
        read(nonsense)


def test_a_text_is_one_line_whatever_it_is() -> None:
    reader = FrameReader()
    reader.feed(pack(Kind.FAILED, b"two\nlines\xff", 0))

    frame = reader.next()

    assert frame is not None
    assert frame.text() == "two lines\ufffd"
