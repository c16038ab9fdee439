"""Transcripts are unwrapped byte for byte, however they are cut into pieces."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_gateway.transcripts import LINE_LIMIT, Unwrapper, unwrap

INNER = (
    '{"text":"héllo \\u00e9 }{","segments":[{"text":"h","start_time_ms":0,"end_time_ms":900,'
    '"confidence":null}],"language":"en","metadata":null,"later": 1.50,"n":9007199254740993}'
).encode()
WRAPPED = b'{"Transcription":' + INNER + b"}"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def feed(pieces: list[bytes]) -> bytes:
    unwrapper = Unwrapper()
    return b"".join(unwrapper.feed(piece) for piece in pieces) + unwrapper.flush()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(ends)]


def test_the_inner_object_passes_byte_for_byte() -> None:
    assert unwrap(WRAPPED) == INNER


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"not json",
        b'{"text":"bare"}',
        b'{"Transcription":"a string"}',
        b'{"Transcription":null}',
        b'{"Transcription":{"text":"x"},"more":1}',
        b'{"more":1,"Transcription":{"text":"x"}}',
        b'{"Transcription":{"a":1},"Transcription":{"b":2}}',
        b'{"Transcription":{"text":"x"}',
        b'{"Transcription":{"text":"x"}}}',
        b'{"Transcription":{"text":"x",}}',
        b'{"Transcription":{"text":"\xff"}}',
        b'["Transcription",{}]',
        b'{"Transcription":' + b'{"a":' * 100_000,
    ],
)
def test_any_other_line_passes_unchanged(line: bytes) -> None:
    assert unwrap(line) == line


@pytest.mark.parametrize("wrapped", [b' { "Transcription" : %s } ', b'{"Transcription": %s}'])
def test_white_space_around_the_wrapper_goes_with_it(wrapped: bytes) -> None:
    assert unwrap(wrapped % INNER) == INNER


def test_a_line_may_end_as_on_windows() -> None:
    assert feed([WRAPPED + b"\r\n"]) == INNER + b"\r\n"


def test_a_line_is_passed_on_as_soon_as_it_has_ended() -> None:
    unwrapper = Unwrapper()

    assert unwrapper.feed(WRAPPED[:20]) == b""
    assert unwrapper.feed(WRAPPED[20:] + b"\n" + WRAPPED[:5]) == INNER + b"\n"


def test_several_lines_in_one_piece_are_all_unwrapped() -> None:
    assert feed([b"\n".join([WRAPPED, b"other", WRAPPED, b""])]) == b"\n".join(
        [INNER, b"other", INNER, b""]
    )


def test_a_last_line_without_its_newline_is_unwrapped_too() -> None:
    assert feed([WRAPPED]) == INNER


def test_an_endless_line_is_not_held() -> None:
    unwrapper = Unwrapper()
    piece = b"x" * 65536
    held = passed = 0
    for _ in range(64):
        passed += len(unwrapper.feed(piece))
        held = max(held, 64 * 65536 - passed)

    assert passed >= 63 * 65536 - LINE_LIMIT
    assert unwrapper.feed(b"end\n" + WRAPPED + b"\n") == b"end\n" + INNER + b"\n"


@given(st.lists(st.sampled_from([WRAPPED, b"x", b"", b'{"a":1}'])), st.lists(st.integers(0)))
def test_where_the_pieces_are_cut_makes_no_difference(
    lines: list[bytes], places: list[int]
) -> None:
    data = b"".join(line + b"\n" for line in lines)

    assert feed(cut(data, places)) == data.replace(WRAPPED, INNER)


@given(st.dictionaries(st.text(), JSON), st.booleans())
def test_every_object_comes_out_as_it_went_in(inner: object, ascii_only: bool) -> None:
    text = json.dumps(inner, ensure_ascii=ascii_only)
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        encoded = json.dumps(inner).encode()

    assert unwrap(b'{"Transcription":' + encoded + b"}") == encoded


@given(st.binary())
def test_nothing_at_all_is_lost_of_what_is_no_transcript(data: bytes) -> None:
    assert feed([data]) == data
