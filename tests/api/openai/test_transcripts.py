"""What the backend heard, and what OpenAI's clients are told of it: whatever the backend says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_gateway.api.openai.transcript_formats import TranscriptEvents, respond
from speech_gateway.api.transcript import Transcript, TranscriptReader
from speech_gateway.errors import UpstreamError


def read(*pieces: bytes) -> Transcript:
    transcript = Transcript()
    reader = TranscriptReader(transcript)
    for piece in pieces:
        reader.feed(piece)
    reader.end()
    return transcript


def wrapped(text: str, *segments: dict[str, Any]) -> bytes:
    heard = {"text": text, "segments": list(segments), "language": "en"}
    return json.dumps({"Transcription": heard}).encode()


def segment(text: str, start: object = 0, end: object = 1000) -> dict[str, Any]:
    return {"text": text, "start_time_ms": start, "end_time_ms": end}


SEGMENTS = frozenset({"segment"})


def told(
    transcript: Transcript, response_format: str, granularities: frozenset[str] = SEGMENTS
) -> str:
    answer = respond(transcript, response_format, granularities)
    assert answer.text is not None
    return answer.text


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n", b" ", b"\n\n"])
def test_transcripts_are_found_wherever_the_newlines_are(between: bytes) -> None:
    stream = wrapped("one") + between + wrapped("two") + between

    assert read(stream).text == "one two"
    assert read(*(stream[at : at + 7] for at in range(0, len(stream), 7))).text == "one two"


def test_pretty_printed_transcripts_are_read() -> None:
    pretty = json.dumps(json.loads(wrapped("one")), indent=2).encode()

    assert read(pretty + b"\n" + pretty).text == "one one"


def test_a_bare_transcript_is_read_too() -> None:
    assert read(b'{"text": "bare"}').text == "bare"


def test_nothing_heard_is_no_fault() -> None:
    assert read().text == ""
    assert read(b"\n").text == ""


@pytest.mark.parametrize(
    "said",
    [
        b"<html>It works!</html>",
        b"It works!",
        b'{"error": "no such model"}',
        b'{"Transcription": null}',
        b'{"Transcription": {"text": 7}}',
        b"[]",
        b'"text"',
        b"null",
        wrapped("cut")[:-1],
        b'{"text": "a",}',
        b'{"text": "\xff"}',
    ],
)
def test_what_is_no_transcript_is_the_backend_s_fault(said: bytes) -> None:
    with pytest.raises(UpstreamError):
        read(said)


@pytest.mark.parametrize("response_format", ["json", "verbose_json", "text", "srt", "vtt"])
@pytest.mark.parametrize(
    "heard",
    [
        b'{"text": "a", "segments": [{"text": "a", "start_time_ms": NaN}]}',
        b'{"text": "a", "segments": [{"text": "a", "start_time_ms": Infinity}]}',
        b'{"text": "a", "segments": [{"text": "a", "start_time_ms": -500, "end_time_ms": -1}]}',
        b'{"text": "a", "segments": [{"text": "a", "start_time_ms": 1e999, "end_time_ms": "x"}]}',
        b'{"text": "a", "segments": [{"text": "a", "start_time_ms": 1%s, "end_time_ms": 0}]}'
        % (b"0" * 400),
        b'{"text": "\\ud83d", "segments": [{"text": "\\udc00 a"}], "language": "\\ud800"}',
        b'{"text": "a", "segments": {"text": "a"}, "language": 7}',
        b'{"text": "a", "segments": [null, 7, {"text": 7}]}',
    ],
)
def test_whatever_times_and_texts_come_every_format_can_be_made(
    response_format: str, heard: bytes
) -> None:
    answer = told(read(heard), response_format)

    answer.encode()
    assert "-1:" not in answer
    if "json" in response_format:
        json.loads(answer, parse_constant=pytest.fail)


def test_times_never_run_backwards() -> None:
    transcript = read(wrapped("a b", segment("a", 500, 900), segment("b", None, 100)))

    assert [(s.start, s.end) for s in transcript.segments] == [(0.5, 0.9), (0.9, 0.9)]


@pytest.mark.parametrize("response_format", ["srt", "vtt"])
def test_a_blank_line_does_not_split_a_cue(response_format: str) -> None:
    transcript = read(wrapped("one two", segment("one\n\ntwo\r\nthree")))

    assert "\none two three\n" in told(transcript, response_format)


def test_markup_is_escaped_in_vtt() -> None:
    transcript = read(wrapped("x", segment("a < b & c --> d")))

    assert "\na &lt; b &amp; c --&gt; d\n" in told(transcript, "vtt")


def test_usage_is_the_audio_s_duration() -> None:
    transcript = read(wrapped("one"))
    transcript.duration = 2.5

    for response_format in ("json", "verbose_json"):
        usage = json.loads(told(transcript, response_format))["usage"]
        assert usage == {"type": "duration", "seconds": 2.5}


def test_the_last_event_has_tokens_to_count() -> None:
    events = TranscriptEvents()
    events.feed(wrapped("one"))

    last = json.loads(events.flush().removeprefix(b"data: "))

    assert last["usage"]["type"] == "tokens"
    assert {"input_tokens", "output_tokens", "total_tokens"} <= last["usage"].keys()


def test_the_language_is_told_by_openai_s_name() -> None:
    assert json.loads(told(read(wrapped("one")), "verbose_json"))["language"] == "english"


@given(st.lists(st.binary() | st.just(wrapped("a")) | st.just(b"\n")))
def test_whatever_comes_is_a_transcript_or_a_fault(pieces: list[bytes]) -> None:
    try:
        transcript = read(*pieces)
    except UpstreamError:
        return
    heard = b"".join(pieces).count(wrapped("a"))
    assert transcript.text == " ".join("a" * heard)
