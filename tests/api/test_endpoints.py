"""Contract section 1: what is taken, what is refused, and with which words."""

import pytest

from tests.support.backend import ScriptedBackend, kept_media
from tests.support.client import Response
from tests.support.gateway import Served, serving

TTS_TYPES = [
    None,
    "text/plain",
    "TEXT/Plain; charset=utf-8",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
]
STT_TYPES = [
    None,
    "audio/ogg",
    "Audio/OGG; codecs=opus",
    "application/ogg",
    "audio/opus",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "text/plain",
]


async def send(
    gateway: Served,
    path: str,
    body: bytes,
    content_type: str | None = None,
    method: str = "POST",
    **headers: str,
) -> Response:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        fields["Content-Type"] = content_type
    return await gateway.ask(method, path, fields, body)


@pytest.mark.parametrize("content_type", TTS_TYPES)
async def test_tts_takes_text_and_what_counts_as_text(
    gateway: Served, backend: ScriptedBackend, content_type: str | None
) -> None:
    response = await send(gateway, "/tts", b"Hello there.", content_type)

    assert (response.status, response.body) == (200, b"OggS-speech")
    assert (await backend.calls.get()).part_headers[1] == b"Content-Type: text/plain"


@pytest.mark.parametrize("content_type", STT_TYPES)
async def test_stt_takes_ogg_and_what_counts_as_ogg(
    gateway: Served, backend: ScriptedBackend, content_type: str | None
) -> None:
    response = await send(gateway, "/stt", b"OggS...", content_type)

    assert response.status == 200
    assert (await backend.calls.get()).part_headers[1] == b"Content-Type: audio/ogg"


@pytest.mark.parametrize("path", ["/tts", "/stt"])
async def test_put_is_as_good_as_post(gateway: Served, path: str) -> None:
    response = await send(gateway, path, b"something", method="PUT")

    assert response.status == 200
    await gateway.settled()
    assert gateway.count(path[1:], 200, "PUT") == 1


@pytest.mark.parametrize(
    ("path", "content_type", "expected"),
    [
        ("/tts", "application/json", "text/plain"),
        ("/tts", "audio/ogg", "text/plain"),
        ("/stt", "audio/wav", "audio/ogg"),
        ("/stt", "multipart/form-data; boundary=x", "audio/ogg"),
    ],
)
async def test_another_type_is_refused_with_the_right_one_named(
    gateway: Served, backend: ScriptedBackend, path: str, content_type: str, expected: str
) -> None:
    response = await send(gateway, path, b"something", content_type)

    assert response.status == 415
    assert expected in response.text
    assert response.text.count("\n") == 1
    assert backend.seen == 0
    await gateway.settled()
    assert gateway.sample("gateway_rejected_total", endpoint=path[1:], reason="bad_content_type")


@pytest.mark.parametrize("coding", ["gzip", "identity, gzip", "br"])
async def test_an_encoded_body_is_refused(gateway: Served, coding: str) -> None:
    assert (await send(gateway, "/tts", b"x", Content_Encoding=coding)).status == 415


async def test_an_encoding_in_a_second_line_is_seen(gateway: Served) -> None:
    async with await gateway.connect() as client:
        client.write(
            "POST /tts HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
            "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n\r\nx"
        )
        assert (await client.response()).status == 415


async def test_identity_is_no_encoding(gateway: Served) -> None:
    assert (await send(gateway, "/tts", b"x", Content_Encoding="Identity")).status == 200


@pytest.mark.parametrize("path", ["/tts", "/stt"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "PROPFIND"])
async def test_another_method_is_refused_with_the_right_ones_named(
    gateway: Served, path: str, method: str
) -> None:
    response = await send(gateway, path, b"", method=method)

    assert response.status == 405
    assert set(response.headers["allow"].replace(" ", "").split(",")) == {"POST", "PUT"}
    await gateway.settled()
    label = method if method == "GET" else "other"
    assert gateway.count(path[1:], 405, label) == 1


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
async def test_the_pages_are_for_get(gateway: Served, path: str) -> None:
    response = await send(gateway, path, b"")

    assert (response.status, response.headers["allow"]) == (405, "GET,HEAD")


@pytest.mark.parametrize("path", ["/", "/tts/", "/TTS", "/stt/x", "/api/v1/process", "//tts"])
async def test_anything_else_is_not_there(gateway: Served, path: str) -> None:
    assert (await send(gateway, path, b"x")).status == 404


@pytest.mark.parametrize("body", [b"", b" \n\t"])
async def test_no_text_is_refused(gateway: Served, backend: ScriptedBackend, body: bytes) -> None:
    response = await send(gateway, "/tts", body)

    assert response.status == 400
    assert "no text" in response.text
    assert backend.seen == 0


async def test_no_audio_is_refused(gateway: Served, backend: ScriptedBackend) -> None:
    response = await send(gateway, "/stt", b"")

    assert response.status == 400
    assert "no audio" in response.text
    assert backend.seen == 0


@pytest.mark.parametrize("path", ["/tts", "/stt"])
async def test_an_upload_that_ends_without_a_byte_is_refused(gateway: Served, path: str) -> None:
    async with await gateway.connect() as client:
        client.begin_upload(path, **{"Content-Type": ""})
        client.end_upload()
        response = await client.response()

    assert response.status == 400
    await gateway.settled()
    assert gateway.count(path[1:], 400) == 1


async def test_text_goes_on_as_it_is_and_is_never_form_decoded(
    gateway: Served, backend: ScriptedBackend
) -> None:
    sent = kept_media(backend)

    await send(gateway, "/tts", b"a=b+c%20d", "application/x-www-form-urlencoded")

    assert sent == [b"a=b+c%20d"]


@pytest.mark.parametrize("charset", ["gb2312", "GBK", "big5", "euc-kr", "windows-1251", "ibm866"])
async def test_a_usual_charset_is_known(gateway: Served, charset: str) -> None:
    text = "Hello.".encode(charset)

    assert (await send(gateway, "/tts", text, f"text/plain; charset={charset}")).status == 200


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
async def test_a_byte_order_mark_is_no_part_of_a_text(
    gateway: Served, backend: ScriptedBackend, charset: str
) -> None:
    heard = kept_media(backend)
    content_type = f"text/plain; charset={charset}"
    longest = "\ufeff" + "a" * 1000

    assert (await send(gateway, "/tts", "\ufeff".encode(charset), content_type)).status == 400
    assert (await send(gateway, "/tts", longest.encode(charset), content_type)).status == 200
    assert heard == [b"a" * 1000]


async def test_text_in_another_charset_reaches_the_backend_as_utf_8(
    gateway: Served, backend: ScriptedBackend
) -> None:
    sent = kept_media(backend)

    await send(gateway, "/tts", "Grüße".encode("latin-1"), "text/plain; charset=ISO-8859-1")

    assert sent == ["Grüße".encode()]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\xff\xfe\xfd", "text/plain"),
        (b"caf\xe9", "text/plain; charset=utf-8"),
        (b"x", "text/plain; charset=klingon"),
        (b"x", "text/plain; charset=idna"),
        (b"x", "text/plain; charset=zlib"),
    ],
)
async def test_text_that_does_not_decode_is_refused(
    gateway: Served, backend: ScriptedBackend, body: bytes, content_type: str
) -> None:
    assert (await send(gateway, "/tts", body, content_type)).status == 400
    assert backend.seen == 0


async def test_a_text_is_measured_in_characters(backend: ScriptedBackend) -> None:
    async with serving(backend.url, "--max-tts-text-size", "5") as gateway:
        fits = await send(gateway, "/tts", "ééééé".encode())
        too_long = await send(gateway, "/tts", b"abcdef")
        far_too_long = await send(gateway, "/tts", b"a" * 5000)

    assert fits.status == 200
    assert (too_long.status, far_too_long.status) == (413, 413)
    assert "5 characters" in too_long.text
    assert "5 characters" in far_too_long.text


async def test_a_declared_length_over_the_limit_is_refused_unread(
    backend: ScriptedBackend,
) -> None:
    async with serving(backend.url, "--max-body-bytes", "100") as gateway:
        async with await gateway.connect() as client:
            client.request("POST", "/stt", {"Content-Length": "101"})
            response = await client.response()  # and not a byte of the body was sent

        assert response.status == 413
        assert "100 bytes" in response.text
        assert response.headers["connection"] == "close"
        assert backend.seen == 0
        await gateway.settled()
        assert gateway.sample("gateway_rejected_total", endpoint="stt", reason="too_large") == 1


async def test_an_upload_that_grows_past_the_limit_is_refused(backend: ScriptedBackend) -> None:
    received = kept_media(backend)
    async with serving(backend.url, "--max-body-bytes", "100") as gateway:
        async with await gateway.connect() as client:
            client.begin_upload()
            client.chunk(b"x" * 60)
            client.chunk(b"y" * 60)
            response = await client.response()
        await gateway.settled()

        assert response.status == 413
        assert gateway.count("stt", 413) == 1
    assert received == []  # the call never became whole


async def test_every_answer_names_the_request_and_forbids_buffering(gateway: Served) -> None:
    for path, body in (("/tts", b"x"), ("/tts", b""), ("/nowhere", b""), ("/healthz", b"")):
        response = await send(gateway, path, body, X_Request_ID="abc-1")

        assert response.headers["x-request-id"] == "abc-1"
        assert response.headers["x-accel-buffering"] == "no"


@pytest.mark.parametrize("bad", ["", "a b", "x" * 129, 'a"b'])
async def test_an_unfit_request_id_is_replaced(gateway: Served, bad: str) -> None:
    response = await send(gateway, "/tts", b"x", X_Request_ID=bad)

    assert response.headers["x-request-id"] not in ("", bad)
