"""Transcripts are unwrapped byte for byte, however they are cut into pieces."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_gateway.errors import UpstreamError
from speech_gateway.upstream.json_stream import OBJECT_LIMIT
from speech_gateway.upstream.transcript_unwrapping import Unwrapper, unwrap

INNER = (
    '{"text":"héllo \\u00e9 }{\\"","segments":[{"text":"h","start_time_ms":0,"end_time_ms":900,'
    '"confidence":null}],"language":"en","metadata":null,"later": 1.50,"n":9007199254740993}'
).encode()
WRAPPED = b'{"Transcription":' + INNER + b"}"
LINE = INNER + b"\n"

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
        b'{"Transcription":{"text":"x",}}',
        b'{"Transcription":{"text":"\xff"}}',
        b'["Transcription",{}]',
        b'{"Transcription":' + b'{"a":' * 100_000,
        b'{"Transcription":{"text":"a line that\nends"}}',
        b"no <html>{}</html>",
        b'"{',
        b"]}",
    ],
)
def test_anything_else_passes_unchanged(line: bytes) -> None:
    assert unwrap(line) == line
    assert feed([line + b"\n"]) == line + b"\n"


@pytest.mark.parametrize("wrapped", [b'{ "Transcription" : %s }', b'{\n  "Transcription": %s\n}'])
def test_white_space_inside_the_wrapper_goes_with_it(wrapped: bytes) -> None:
    assert unwrap(wrapped % INNER) == INNER


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n", b" \n", b" "])
def test_each_transcript_is_a_line_whatever_stands_between(between: bytes) -> None:
    assert feed([(WRAPPED + between) * 3]) == LINE * 3


@pytest.mark.parametrize("at", range(1, 6))
def test_a_newline_of_the_backend_s_own_is_not_doubled_wherever_it_is_cut(at: int) -> None:
    stream = (WRAPPED + b" \r\n") * 2
    place = len(WRAPPED) + at

    assert feed([stream[:place], stream[place:]]) == LINE * 2


def test_a_transcript_is_passed_on_as_soon_as_it_has_ended() -> None:
    unwrapper = Unwrapper()

    assert unwrapper.feed(WRAPPED[:20]) == b""
    assert unwrapper.feed(WRAPPED[20:]) == LINE
    assert unwrapper.feed(b"\n" + WRAPPED[:5]) == b""


def test_what_stands_between_transcripts_passes_unchanged() -> None:
    assert feed([b"\n".join([WRAPPED, b"other", b"", WRAPPED, b'{"a":1}', b""])]) == (
        LINE + b"other\n\n" + LINE + b'{"a":1}\n'
    )


def test_a_transcript_behind_a_line_that_is_broken_is_unwrapped() -> None:
    broken = b'{"Transcription":{"text":"half a line\n'

    assert feed([broken + WRAPPED + b"\n"]) == broken + LINE


def test_a_last_one_without_a_newline_gets_one() -> None:
    assert feed([WRAPPED]) == LINE


@pytest.mark.parametrize("begin", [b"", b'{"Transcription":{"text":"', b"[" + b'{"a":"'])
def test_what_has_no_end_is_not_held(begin: bytes) -> None:
    unwrapper = Unwrapper()
    piece = b"x" * 65536
    passed = len(unwrapper.feed(begin))
    for _ in range(64):
        passed += len(unwrapper.feed(piece))

    assert passed >= 63 * 65536 - OBJECT_LIMIT
    assert unwrapper.feed(b"end\n" + WRAPPED + b"\n").endswith(b"end\n" + LINE)


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
    assert feed([b'{"Transcription":' + encoded + b"}"]) == encoded + b"\n"


@pytest.mark.parametrize("html", [b"<!doctype html>", b" \n<html>", b"\xef\xbb\xbf<html>"])
def test_html_is_no_transcript(html: bytes) -> None:
    with pytest.raises(UpstreamError):
        feed([html])


def test_html_behind_a_newline_of_its_own_is_none_either() -> None:
    with pytest.raises(UpstreamError):
        feed([b"\n", b"<html>"])


@given(st.lists(st.binary() | st.sampled_from([b'{"', b'"', b"\\", b"}", b"{", b"\n"])))
def test_nothing_at_all_is_lost_of_what_is_no_transcript(pieces: list[bytes]) -> None:
    try:
        passed = feed(pieces)
    except UpstreamError:
        assert b"".join(pieces).lstrip(b"\xef\xbb\xbf \n\t\r\x0b\f").startswith(b"<")
    else:
        assert passed == b"".join(pieces)
