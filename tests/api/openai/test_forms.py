"""The form of a transcription: its fields in any order; what is refused, by the field's name."""

import asyncio
import json
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    ScriptedBackend,
    answer,
    chunk,
    says,
    transcript,
)
from tests.support.client import RawClient, Response
from tests.support.gateway import Served, serving
from tests.support.ogg import pages
from tests.support.openai_api import (
    BEFORE_FILE,
    FORM,
    LAST_BOUNDARY,
    TRANSCRIPTIONS_PATH,
    Fields,
    error_of,
    events_of,
    form,
    part,
    send_form,
)
from tests.support.polling import until
from tests.support.speech import silence

AUDIO = silence(2.0)


@pytest.fixture
def backend(backend: ScriptedBackend) -> ScriptedBackend:
    backend.script = hear
    return backend


async def hear(call: BackendCall) -> None:
    """Hear how many pages came."""
    await tell(call, await call.whole_media())


async def tell(call: BackendCall, media: bytes) -> None:
    line = transcript(f"{len(pages(media)) > 90}", language="en")
    await call.write(OK_CHUNKED + chunk(line) + LAST_CHUNK)


def begin_upload(client: RawClient, body: bytes) -> None:
    """Send the first half."""
    client.request("POST", TRANSCRIPTIONS_PATH, FORM | {"Content-Length": str(len(body))})
    client.write(body[: len(body) // 2])


async def send_slowly(gateway: Served, backend: ScriptedBackend, body: bytes) -> Response:
    """Send the second half when the backend has been called for the first."""
    async with asyncio.timeout(20), await gateway.connect() as client:
        begin_upload(client, body)
        await until(lambda: backend.seen, equals=1)
        client.write(body[len(body) // 2 :])
        return await client.response()


def calls_of(backend: ScriptedBackend) -> list[BackendCall]:
    return [backend.calls.get_nowait() for _ in range(backend.seen)]


@pytest.mark.parametrize("place", [0, 1, 2, 3])
async def test_the_file_may_stand_anywhere_and_is_recognised_once(
    openai: Served, backend: ScriptedBackend, place: int
) -> None:
    fields = [("model", b"whisper-1"), ("language", b"de"), ("response_format", b"text")]
    fields.insert(place, ("file", AUDIO))

    heard = await send_form(openai, fields)

    assert (heard.status, heard.text) == (200, "True\n")
    assert [b"language: de" in call.config for call in calls_of(backend)] == [True]
    assert openai.count("stt", 200) == 1


@pytest.mark.parametrize("first", ["stream", "file"])
async def test_events_may_be_asked_for_before_or_after(openai: Served, first: str) -> None:
    fields = {"file": AUDIO, "stream": b"true"}

    heard = await send_form(openai, [(first, fields.pop(first)), *fields.items()])

    events = events_of(heard)
    assert events == [
        {"type": "transcript.text.delta", "delta": "True"},
        {"type": "transcript.text.done", "text": "True", "usage": events[-1]["usage"]},
    ]
    assert events[-1]["usage"].keys() >= {"input_tokens", "output_tokens", "total_tokens"}


@pytest.mark.parametrize("stream", [True, False])
async def test_a_language_that_comes_long_after_the_file_has_it_recognised_again(
    openai: Served, backend: ScriptedBackend, stream: bool
) -> None:
    asked = [("stream", b"1")] if stream else []
    body = form([*asked, ("file", silence(20.0)), ("language", b"de")])

    response = await send_slowly(openai, backend, body)

    assert (response.status, "True" in response.text) == (200, True)
    assert [b"language: de" in call.config for call in calls_of(backend)] == [False, True]
    await openai.settled()
    assert openai.count("stt", 200) == 1


@pytest.mark.parametrize("language", [b"en", b"EN", b"en-US", b"english", b""])
async def test_the_pipeline_s_own_language_is_no_other(
    openai: Served, backend: ScriptedBackend, language: bytes
) -> None:
    body = form([("file", silence(20.0)), ("language", language)])

    response = await send_slowly(openai, backend, body)

    assert (response.status, backend.seen) == (200, 1)


async def test_events_that_were_told_in_another_language_end_with_a_word_on_it(
    openai: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.media()
        await call.write(OK_CHUNKED + chunk(transcript("so far")))
        await call.whole_media()

    backend.script = script
    body = form([("stream", b"true"), ("file", silence(20.0)), ("language", b"de")])
    async with asyncio.timeout(20), await openai.connect() as client:
        begin_upload(client, body)
        assert (await client.head())[0] == 200
        told = [await client.piece()]
        client.write(body[len(body) // 2 :])
        while piece := await client.piece():
            told.append(piece)

    assert piece is None, "what is wrong must not pass for whole"
    assert told[-1] is not None
    assert b"must come before the file" in told[-1]


async def test_what_was_heard_before_events_were_asked_for_is_told_then_and_the_rest_live(
    openai: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.media()
        await call.write(OK_CHUNKED + chunk(transcript("early").strip()))
        await call.whole_media()
        await told.wait()
        await call.write(chunk(transcript("late").strip()) + LAST_CHUNK)

    told = asyncio.Event()
    backend.script = script
    body = form([("file", silence(20.0)), ("stream", b"true")])
    async with asyncio.timeout(20), await openai.connect() as client:
        begin_upload(client, body)
        await until(lambda: backend.seen, equals=1)
        client.write(body[len(body) // 2 :])
        _, headers = await client.head()
        first = await client.piece()
        told.set()
        second = await client.piece()

    assert headers["content-type"].startswith("text/event-stream")
    assert first is not None
    assert second is not None
    assert b'"delta": "early"' in first
    assert b'"delta": " late"' in second


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("language", b"Klingonese"),
        ("response_format", b"yaml"),
        ("stream", b"maybe"),
        ("temperature", b"2"),
        ("temperature", b"warm"),
        ("timestamp_granularities[]", b"sentence"),
    ],
)
@pytest.mark.parametrize("place", ["before", "after"])
async def test_a_wrong_field_is_named(openai: Served, name: str, value: bytes, place: str) -> None:
    fields = [(name, value), ("file", AUDIO)]

    refused = await send_form(openai, fields if place == "before" else fields[::-1])

    assert (refused.status, error_of(refused)["param"]) == (400, name)


@pytest.mark.parametrize(
    ("body", "param", "told"),
    [
        (form([("model", b"whisper-1")]), "file", "must be the audio"),
        (form([("file", b"")]), "file", "is empty"),
        (form([("file", AUDIO), ("file", AUDIO)]), "file", "must be one file"),
        (
            form([("file", AUDIO), ("model", b"a"), ("stream", b"1"), ("stream", b"1")]),
            "stream",
            "",
        ),
        (form([("prompt", b"a" * 70_000), ("file", AUDIO)]), None, "too much beside"),
        (form([("file", AUDIO)])[:-8], None, "ended before"),
        (b"no form at all", None, "none of the boundaries"),
    ],
    ids=["no file", "empty", "two files", "a field twice", "a long prompt", "cut", "no form"],
)
async def test_what_is_no_such_form(
    openai: Served, body: bytes, param: str | None, told: str
) -> None:
    refused = await send_form(openai, body)

    assert (refused.status, error_of(refused)["param"]) == (400, param)
    assert told in error_of(refused)["message"]
    await openai.settled()


@pytest.mark.parametrize("boundary", [b"\x80", "\u0436".encode(), b"a" * 300, b""])
async def test_a_boundary_that_cannot_be_one(
    openai: Served, caplog: pytest.LogCaptureFixture, boundary: bytes
) -> None:
    async with await openai.connect() as client:
        client.write(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n"
            b"Content-Type: multipart/form-data; boundary=" + boundary + b"\r\n\r\n--b--\r\n"
        )
        refused = await client.response()

    assert refused.status == 400
    assert "Content-Type must name the body's boundary" in error_of(refused)["message"]
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (part("response_format", b"text"), b"A form.\r\n" + part("response_format", b"text")),
        (b"--between\r\n", b"--between \t\r\n"),
        (b"form-data; name", b"form-data;\r\n name"),
    ],
    ids=["a preamble", "white space behind the boundaries", "a folded header"],
)
async def test_what_rfc_2046_allows_is_served(openai: Served, given: bytes, sent: bytes) -> None:
    body = form([("response_format", b"text"), ("file", AUDIO)])
    assert given in body

    heard = await send_form(openai, body.replace(given, sent))

    assert (heard.status, heard.text) == (200, "True\n")


async def test_the_backend_hears_while_the_file_still_comes(
    openai: Served, backend: ScriptedBackend
) -> None:
    body = form([("file", silence(20.0))])
    heard = asyncio.Event()

    async def script(call: BackendCall) -> None:
        begun = await call.media()
        heard.set()
        await tell(call, begun + await call.whole_media())

    backend.script = script
    async with asyncio.timeout(20), await openai.connect() as client:
        begin_upload(client, body)
        await heard.wait()
        client.write(body[len(body) // 2 :])
        assert (await client.response()).status == 200


async def test_a_client_that_leaves_frees_the_slot(
    openai: Served, backend: ScriptedBackend
) -> None:
    body = form([("file", silence(20.0))])
    client = await openai.connect()
    begin_upload(client, body)
    await until(lambda: backend.seen, equals=1)

    client.leave()

    await openai.settled()
    assert openai.count("stt", 499) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["model", "language", "prompt", "stream", "temperature", "file"])
            | st.text("abc[]", max_size=5),
            st.binary(max_size=30) | st.just(AUDIO),
        ),
        max_size=5,
    )
)
async def test_fuzzed_forms_are_served_or_named(openai: Served, fields: Fields) -> None:
    response = await send_form(openai, fields)

    assert response.status in (200, 400)
    if response.status == 400:
        assert error_of(response)["message"]


@pytest.mark.parametrize(
    "said",
    [
        answer(b"<html>It works!</html>", content_type="text/html"),
        answer(b'{"error": "no such model"}', content_type="application/json"),
        answer(b'{"Transcription": {"text": "a"}}{"Transcr', content_type="application/json"),
    ],
    ids=["a page", "an error", "a cut transcript"],
)
async def test_what_is_no_transcript_is_502_before_an_event_was_sent(
    openai: Served, backend: ScriptedBackend, said: bytes
) -> None:
    backend.script = says(said)

    failed = await send_form(openai, [("stream", b"true"), ("file", AUDIO)])

    assert (failed.status, error_of(failed)["type"]) == (502, "server_error")


async def test_early_words_in_another_language_are_not_told_when_events_are_asked_for_late(
    openai: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.media()
        text = "wrong" if b"language: en" in call.config else "right"
        await call.write(OK_CHUNKED + chunk(transcript(text).strip()))
        await call.whole_media()
        await call.write(LAST_CHUNK)

    backend.script = script
    body = form([("file", silence(20.0)), ("language", b"de"), ("stream", b"true")])

    told = await send_slowly(openai, backend, body)

    assert (told.status, told.whole) == (200, True)
    assert b"right" in told.body
    assert b"wrong" not in told.body
    assert b"HTTP/1.1" not in told.body


async def test_a_clients_mistake_within_a_stream_of_events_is_told_as_its_own(
    backend: ScriptedBackend,
) -> None:
    async def hear(call: BackendCall) -> None:
        await call.write(OK_CHUNKED + chunk(transcript("heard")))
        await call.whole_media()

    backend.script = hear
    flags = "--openai", "--max-upload-bytes=100000"
    async with serving(backend.url, *flags) as gateway, await gateway.connect() as client:
        client.begin_upload(TRANSCRIPTIONS_PATH, **FORM)
        client.chunk(part("stream", b"true") + part("language", b"en") + BEFORE_FILE)
        client.chunk(silence(1.0))
        assert (await client.head())[0] == 200
        assert b"transcript.text.delta" in (await client.piece() or b"")

        client.chunk(b"." * 100_000)
        error = await client.piece() or b""
        assert await client.closed()
        await gateway.settled()

        assert error.startswith(b"event: error\ndata: ")
        told = json.loads(error.partition(b"data: ")[2])["error"]
        assert told["type"] == "invalid_request_error"
        assert "too large" in told["message"]
        assert gateway.count("stt", 413) == 1


async def test_a_form_without_audio_yet_holds_no_slot(backend: ScriptedBackend) -> None:
    async with serving(backend.url, "--openai", "--max-concurrency=1") as gateway:
        async with await gateway.connect() as slow:
            slow.begin_upload(TRANSCRIPTIONS_PATH, **FORM)
            slow.chunk(part("language", b"en") + BEFORE_FILE)
            await until(lambda: gateway.inflight("stt"), equals=1)

            assert (await send_form(gateway, [("file", AUDIO)])).status == 200

            slow.chunk(AUDIO + b"\r\n" + LAST_BOUNDARY)
            slow.end_upload()
            assert (await slow.response()).status == 200


async def test_a_client_that_leaves_amid_its_file_is_no_fault_of_the_disk(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    async with serving(backend.url, "--openai") as gateway:
        async with await gateway.connect() as client:
            client.begin_upload(TRANSCRIPTIONS_PATH, **FORM)
            client.chunk(part("language", b"en") + BEFORE_FILE + AUDIO[:1000])
            await backend.calls.get()
            client.leave()
            await gateway.settled()

        assert gateway.count("stt", 499) == 1
    assert caplog.records == []
