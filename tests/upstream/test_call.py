"""Contract section 2: the call, byte by byte, and what comes back of the answer."""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme
import yaml

from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    ScriptedBackend,
    answer,
    chunk,
    says,
    scripted_backend,
)
from tests.support.gateway import Served, serving

GENEROUS = 10.0


async def test_a_call_carries_what_the_backend_wants_and_nothing_of_the_client(
    gateway: Served, backend: ScriptedBackend
) -> None:
    async with await gateway.connect() as client:
        client.request(
            "POST",
            "/tts",
            {
                "Content-Type": "text/plain; charset=utf-8",
                "Authorization": "Bearer mine",
                "Cookie": "a=b",
                "X-StreamKit-Service": "stt",
                "X-Request-ID": "id-7",
                "X-Custom": "1",
            },
            b"Hello.",
        )
        await client.response()

    call = await backend.calls.get()
    assert call.request_line == "POST /api/v1/process HTTP/1.1"
    assert call.headers["x-streamkit-service"] == "tts"
    assert call.headers["x-request-id"] == "id-7"
    assert sorted(call.headers) == [
        "accept-encoding",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-request-id",
        "x-streamkit-service",
    ]
    assert call.part_headers == [
        b'Content-Disposition: form-data; name="media"; filename="media"',
        b"Content-Type: text/plain",
    ]


async def test_the_token_goes_to_the_backend(backend: ScriptedBackend) -> None:
    async with serving(backend.url, "--token", "s3cret") as gateway:
        await gateway.speak()

    assert (await backend.calls.get()).headers["authorization"] == "Bearer s3cret"


async def test_the_backend_may_live_under_a_path(backend: ScriptedBackend) -> None:
    async with serving(backend.url + "/skit/") as gateway:
        await gateway.speak()

    assert (await backend.calls.get()).request_line.split()[1] == "/skit/api/v1/process"


@pytest.mark.parametrize(("path", "kind"), [("/tts", "kokoro"), ("/stt", "whisper")])
async def test_the_pipeline_comes_first(
    gateway: Served, backend: ScriptedBackend, path: str, kind: str
) -> None:
    await gateway.ask("POST", path, body=b"Hello.")

    pipeline = yaml.safe_load((await backend.calls.get()).config)
    assert pipeline["mode"] == "oneshot"
    assert f"plugin::native::{kind}" in [step["kind"] for step in pipeline["steps"]]


async def test_the_media_part_begins_before_the_first_byte_of_a_live_upload(
    gateway: Served, backend: ScriptedBackend
) -> None:
    async with await gateway.connect() as client:
        client.begin_upload()

        # The scripted backend hands a call over once its media part has begun.
        async with asyncio.timeout(GENEROUS):
            call = await backend.calls.get()

        assert call.part_headers[1] == b"Content-Type: audio/ogg"
        client.chunk(b"late")
        client.end_upload()
        assert (await client.response()).status == 200


async def test_each_piece_of_the_answer_arrives_before_the_next_is_sent(
    gateway: Served, backend: ScriptedBackend
) -> None:
    confirmed: asyncio.Queue[bytes] = asyncio.Queue()
    pieces = [b"first", b"second", b"third"]

    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(OK_CHUNKED)
        for piece in pieces:
            await call.write(chunk(piece))
            assert await confirmed.get() == piece
        await call.write(LAST_CHUNK)

    backend.script = script
    async with await gateway.connect() as client:
        client.request("POST", "/tts", body=b"Hello.")
        status, _ = await client.head()
        for expected in pieces:
            async with asyncio.timeout(GENEROUS):
                assert await client.piece() == expected
            confirmed.put_nowait(expected)
        assert await client.piece() == b""

    assert status == 200


async def test_transcripts_come_back_while_the_upload_goes_on(
    gateway: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        assert await call.media() == b"first half"
        await call.write(OK_CHUNKED)
        await call.write(chunk(b'{"Transcription":{"text":"one"}}\n'))
        assert await call.media() == b"second half"
        assert await call.media() == b""
        await call.write(chunk(b'{"Transcription":{"text":"two"}}\n') + LAST_CHUNK)

    backend.script = script
    async with await gateway.connect() as client:
        client.begin_upload()
        client.chunk(b"first half")
        async with asyncio.timeout(GENEROUS):
            await client.head()
            assert await client.piece() == b'{"text":"one"}\n'
        client.chunk(b"second half")
        client.end_upload()
        assert await client.piece() == b'{"text":"two"}\n'
        assert await client.piece() == b""


async def test_of_the_answer_only_what_is_promised_is_passed_back(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(
        b"HTTP/1.1 200 Splendid\r\nContent-Type: audio/ogg\r\nSet-Cookie: a=b\r\n"
        b"X-Secret: inside\r\nServer: skit\r\nRetry-After: 3\r\nContent-Length: 3\r\n\r\nabc"
    )

    response = await gateway.speak()

    assert response.body == b"abc"
    assert sorted(response.headers) == [
        "content-type",
        "date",
        "retry-after",
        "server",
        "transfer-encoding",
        "x-accel-buffering",
        "x-request-id",
    ]
    assert response.headers["server"] == "speech-gateway"


@pytest.mark.parametrize("status", [400, 404, 429, 500, 501, 599])
async def test_the_backends_error_is_passed_on(
    gateway: Served, backend: ScriptedBackend, status: int
) -> None:
    backend.script = says(
        f"HTTP/1.1 {status} Oh\r\nContent-Type: text/x-error\r\nRetry-After: 9\r\n"
        "Content-Length: 8\r\n\r\nso sorry".encode()
    )
    async with await gateway.connect() as client:
        response = await client.speak()
        await gateway.settled()

    assert (response.status, response.body) == (status, b"so sorry")
    assert response.headers["content-type"] == "text/x-error"
    assert response.headers["retry-after"] == "9"
    label = "5xx" if status == 599 else str(status)
    assert gateway.sample("gateway_requests_total", endpoint="tts", method="POST", code=label)


async def test_at_most_4096_bytes_of_an_error_are_passed_on(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(answer(b"e" * 5000, "500 Oh"))

    response = await gateway.speak()

    assert response.body == b"e" * 4096


async def test_an_error_without_a_word_gets_one(gateway: Served, backend: ScriptedBackend) -> None:
    backend.script = says(answer(b"", "500 Oh"))

    response = await gateway.speak()

    assert response.status == 500
    assert "500" in response.text


async def test_an_error_whose_body_is_cut_is_passed_on_as_far_as_it_came(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(b"HTTP/1.1 429 Oh\r\nContent-Length: 50\r\n\r\nslow down")

    response = await gateway.speak()

    assert (response.status, response.text, response.whole) == (429, "slow down", True)


@pytest.mark.parametrize("value", ["text/html; charset=x y", "<script>", "a/b\tc", "a" * 9 + "/"])
async def test_an_odd_content_type_is_not_passed_on(
    gateway: Served, backend: ScriptedBackend, value: str
) -> None:
    backend.script = says(answer(b"abc", content_type=value))

    assert (await gateway.speak()).headers["content-type"] == "audio/ogg"


async def test_the_backend_may_be_reached_over_tls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    async with scripted_backend(tls=context) as backend, serving(backend.url) as gateway:
        assert (await gateway.speak()).body == b"OggS-speech"
    monkeypatch.delenv("SSL_CERT_FILE")
    async with scripted_backend(tls=context) as backend, serving(backend.url) as gateway:
        assert (await gateway.speak()).status == 502, "a certificate that nobody vouches for"


async def test_an_interim_answer_is_not_the_answer(
    gateway: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n")
        await call.whole_media()
        await call.write(answer(b"abc"))

    backend.script = script
    response = await gateway.speak()

    assert (response.status, response.body) == (200, b"abc")


async def test_bytes_behind_the_answer_are_nobodys(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = says(answer(b"abc") + answer(b"smuggled"))

    response = await gateway.speak()

    assert (response.body, response.whole) == (b"abc", True)


async def test_a_client_of_http_1_0_is_answered_until_the_close(
    gateway: Served, backend: ScriptedBackend
) -> None:
    response = await gateway.ask("POST", "/tts", body=b"Hello.", http="1.0")

    assert (response.status, response.body) == (200, b"OggS-speech")
    assert "transfer-encoding" not in response.headers


async def test_a_connection_serves_one_request_after_another(gateway: Served) -> None:
    async with await gateway.connect() as client:
        for _ in range(3):
            assert (await client.speak()).body == b"OggS-speech"


async def test_a_head_that_fills_the_buffer_delays_nothing(
    gateway: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.whole_media()
        fields = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(63))
        head = b"HTTP/1.1 200 OK\r\n" + fields + b"Transfer-Encoding: chunked\r\nX: "
        await call.write(head + b"z" * (65_535 - len(head)) + b"\r\n\r\n")
        await headed.wait()
        await call.write(chunk(b"speech") + LAST_CHUNK)

    headed = asyncio.Event()
    backend.script = script
    async with await gateway.connect() as client:
        client.request("POST", "/stt", body=b"OggS")
        await client.head()
        headed.set()
        async with asyncio.timeout(GENEROUS):
            assert await client.piece() == b"speech"
