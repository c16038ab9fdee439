"""Pages of other origins: whom the gateway serves, what it refuses, and what a browser is told."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from speech_gateway.config.origins import canonical
from speech_gateway.middlewares import Handler, Step
from speech_gateway.middlewares.cross_origin import CrossOrigin
from speech_gateway.middlewares.drain import DRAIN
from tests.support.backend import (
    OK_CHUNKED,
    BackendCall,
    Script,
    ScriptedBackend,
    answer,
    chunk,
    hold,
    says,
)
from tests.support.client import Response, connect_to_file
from tests.support.gateway import Served, serving
from tests.support.program import program

APP = "https://app.example"
EVIL = "https://evil.example"
EXPOSED = "X-Request-ID, Retry-After"


def preflight(origin: str = APP, method: str = "POST", **headers: str) -> dict[str, str]:
    """Return the headers of a preflight; a name may have ``_`` where it has ``-``."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"Origin": origin, "Access-Control-Request-Method": method, **more}


def cors(response: Response) -> dict[str, str]:
    """Return what of a response is for browsers."""
    wanted = ("access-control-", "vary")
    return {name: value for name, value in response.headers.items() if name.startswith(wanted)}


READABLE = {
    "access-control-allow-origin": APP,
    "access-control-expose-headers": EXPOSED,
    "vary": "Origin",
}


@pytest.fixture
async def open_to_app(backend: ScriptedBackend) -> AsyncIterator[Served]:
    """A gateway that pages of APP may use."""
    async with serving(backend.url, "--allow-origin", APP) as served:
        yield served


# --- origins


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://app.example", "https://app.example"),
        ("HTTPS://App.Example", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("http://app.example:080", "http://app.example"),
        ("http://app.example:443", "http://app.example:443"),
        ("https://app.example:80", "https://app.example:80"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://192.0.2.1", "http://192.0.2.1"),
        ("http://[2001:DB8:0:0::1]:80", "http://[2001:db8::1]"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("app://-", "app://-"),
        ("tauri://localhost:80", "tauri://localhost:80"),
        ("Null", "null"),
    ],
)
def test_an_origin_has_one_form(text: str, origin: str) -> None:
    assert canonical(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        *("", "*", "app.example", "app.example:80", "//app.example", "https://", "https:app"),
        *("https://app.example/", "https://app.example?x", "https://a@app", "https://*.example"),
        *("https://app.example:", "https://app.example:0", "https://app.example:65536"),
        *("http://[::1", "http://::1", "http://[1::2::3]", "http://[]", "https://a,https://b"),
        *("https://a https://b", "http\u017f://a", "https://b\xfccher.example", "https://a\n"),
    ],
)  # fmt: skip
def test_what_is_no_origin_has_none(text: str) -> None:
    assert canonical(text) is None


@pytest.mark.parametrize("wrong", ["https://app.example/", "HTTPS://app.example", "https://a:443"])
def test_only_canonical_origins_can_be_allowed(wrong: str) -> None:
    with pytest.raises(ValueError, match="no origin in its canonical form"):
        CrossOrigin({APP, wrong})


# --- without the setting


@pytest.mark.parametrize(
    "origin",
    [
        *(EVIL, "http://evil.example", "null", "HTTPS://evil.example", "http://gateway:8080"),
        *("http://gateway.evil.example", "https://evil.example/gateway", "http://a b", "https:"),
        *("http://[::1", "gateway", "", "HTTP://"),
    ],
)
async def test_a_foreign_page_is_refused_before_anything_is_done(
    gateway: Served, backend: ScriptedBackend, origin: str
) -> None:
    refused = await gateway.ask("POST", "/tts", {"Origin": origin}, b"Hello.")

    assert refused.status == 403
    assert refused.text.count("\n") == 1
    assert cors(refused) == {}
    await gateway.settled()
    assert (backend.seen, gateway.count("tts", 403)) == (0, 1)


@pytest.mark.parametrize("origin", [EVIL, "null"])
async def test_the_refusal_says_what_the_operator_can_do(gateway: Served, origin: str) -> None:
    refused = await gateway.speak(Origin=origin)

    assert f"--allow-origin {origin}\n" in refused.text


async def test_a_refused_page_takes_no_slot_and_no_place_in_the_queue(
    backend: ScriptedBackend,
) -> None:
    release = hold(backend)
    async with serving(backend.url, "--max-concurrency=1", "--max-queue=0") as gateway:
        async with await gateway.connect() as first:
            first.request("POST", "/tts", body=b"first")
            await backend.calls.get()

            assert (await gateway.speak(Origin=EVIL)).status == 403  # and not 503

            release.set()
            assert (await first.response()).status == 200
        assert (await gateway.speak()).status == 200


async def test_nothing_is_asked_for_of_the_body_of_a_foreign_page(gateway: Served) -> None:
    refused = await gateway.ask(
        "POST", "/stt", {"Origin": EVIL, "Content-Length": "10", "Expect": "100-continue"}
    )

    assert (refused.status, refused.headers["connection"]) == (403, "close")


async def test_a_page_is_refused_before_its_key_is_looked_at(
    backend: ScriptedBackend, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("radio k-4711-0815-abcdef\n")
    async with serving(backend.url, "--client-keys", str(keys)) as gateway:
        assert (await gateway.speak(Origin=EVIL)).status == 403


async def test_the_refusal_is_in_the_form_of_the_api(backend: ScriptedBackend) -> None:
    async with serving(backend.url, "--openai") as gateway:
        refused = await gateway.ask("POST", "/v1/audio/speech", {"Origin": EVIL}, b"{}")

    assert refused.status == 403
    assert refused.headers["content-type"].startswith("application/json")
    assert f"--allow-origin {EVIL}" in refused.text
    assert '"type": "invalid_request_error"' in refused.text


async def test_a_websocket_of_a_foreign_page_is_refused(gateway: Served) -> None:
    handshake = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }

    assert (await gateway.ask("GET", "/stt", {**handshake, "Origin": EVIL})).status == 403
    assert (await gateway.ask("GET", "/stt", handshake)).status == 405


@pytest.mark.parametrize(
    "origin",
    ["chrome-extension://abcdef", "moz-extension://1-2", "app://-", "tauri://localhost", "file://"],
)
async def test_extensions_and_programs_pass(gateway: Served, origin: str) -> None:
    served = await gateway.speak(Origin=origin)

    assert (served.status, cors(served)) == (200, {})


async def test_who_sends_no_origin_passes_untouched(gateway: Served) -> None:
    served = await gateway.speak()

    assert (served.status, cors(served)) == (200, {})


async def test_what_is_no_endpoint_is_not_refused_but_hidden(backend: ScriptedBackend) -> None:
    async with serving(backend.url, "--openai") as gateway:
        for path in ("/healthz", "/readyz", "/metrics", "/v1/models", "/nowhere"):
            shown = await gateway.ask("GET", path, {"Origin": EVIL})

            assert (shown.status, cors(shown)) == (404 if path == "/nowhere" else 200, {})


@pytest.mark.parametrize("second", [APP, EVIL, "app://-"])
@pytest.mark.parametrize("allowed", [APP, "*"])
async def test_several_origins_are_nobodys(
    backend: ScriptedBackend, allowed: str, second: str
) -> None:
    async with serving(backend.url, "--allow-origin", allowed) as gateway:
        async with await gateway.connect() as client:
            client.write(
                f"POST /tts HTTP/1.1\r\nHost: gateway\r\nOrigin: {APP}\r\nOrigin: {second}\r\n"
                "Content-Length: 1\r\n\r\nx"
            )
            refused = await client.response()

    assert (refused.status, cors(refused)) == (403, {"vary": "Origin"})


# --- the gateway's own pages


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://gateway", "gateway"),
        ("http://gateway", "gateway:80"),
        ("http://Gateway:80", "gATEWAY"),
        ("https://gateway", "gateway"),
        ("https://gateway", "gateway:443"),
        ("http://gateway:8080", "gateway:8080"),
        ("https://gateway:8080", "gateway:8080"),
        ("http://192.0.2.1:8080", "192.0.2.1:8080"),
        ("http://[::1]", "[::1]"),
        ("http://[::1]:8080", "[0:0::1]:8080"),
        ("https://[2001:db8::1]", "[2001:DB8::1]:443"),
    ],
)
async def test_the_gateways_own_page_passes(gateway: Served, origin: str, host: str) -> None:
    assert (await gateway.speak(Origin=origin, Host=host)).status == 200


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://gateway", "gateway:443"),
        ("https://gateway", "gateway:80"),
        ("http://gateway", "gateway:8080"),
        ("http://gateway:8080", "gateway"),
        ("http://localhost", "127.0.0.1"),
        ("http://[::1]", "[::2]"),
        ("http://[::1]:8080", "[::1]:8081"),
        ("null", "null"),
        ("http://gateway", ""),
    ],
)
async def test_another_host_or_port_is_foreign(gateway: Served, origin: str, host: str) -> None:
    assert (await gateway.speak(Origin=origin, Host=host)).status == 403


@pytest.mark.parametrize("origin", ["https://speech.example", "null"])
async def test_the_browser_may_say_that_it_is_the_gateways_page(
    gateway: Served, origin: str
) -> None:
    # Behind a proxy that changes the Host; null is what a page sends that hides its address.
    told = await gateway.speak(Origin=origin, Host="10.0.0.7:8080", Sec_Fetch_Site="same-origin")

    assert told.status == 200


@pytest.mark.parametrize("site", ["same-site", "cross-site", "none", ""])
async def test_any_other_site_is_foreign(gateway: Served, site: str) -> None:
    assert (await gateway.speak(Origin=EVIL, Sec_Fetch_Site=site)).status == 403


async def test_without_a_host_no_page_is_the_gateways_own(gateway: Served) -> None:
    async with await gateway.connect() as client:
        client.write("POST /tts HTTP/1.0\r\nOrigin: http://gateway\r\nContent-Length: 1\r\n\r\nx")
        assert (await client.response()).status == 403


async def test_http_1_0_without_a_host_is_served_without_an_origin(gateway: Served) -> None:
    async with await gateway.connect() as client:
        client.write("POST /tts HTTP/1.0\r\nContent-Length: 1\r\n\r\nx")
        assert (await client.response()).status == 200


async def test_it_is_the_same_on_a_unix_socket(backend: ScriptedBackend, tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    async with program("--skit-url", backend.url, "--listen", f"unix:{path}") as run:
        await run.line("listening on unix:")
        for origin, status in (("https://gateway", 200), (EVIL, 403)):
            async with await connect_to_file(path) as client:
                assert (await client.speak(Origin=origin)).status == status


# --- allowed origins


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        (APP, APP),
        ("HTTPS://APP.example:443", APP),
        (f"http://other.example,{APP}", APP),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[0::1]:3000", "http://[::1]:3000"),
        ("null", "null"),
        ("app://-", "app://-"),
    ],
)
async def test_an_allowed_page_is_served_and_may_read(
    backend: ScriptedBackend, allowed: str, origin: str
) -> None:
    async with serving(backend.url, "--allow-origin", allowed) as gateway:
        served = await gateway.speak(Origin=origin)

    assert (served.status, served.body) == (200, b"OggS-speech")
    assert cors(served) == {**READABLE, "access-control-allow-origin": origin}


async def test_any_page_is_served_with_a_star(backend: ScriptedBackend) -> None:
    async with serving(backend.url, "--allow-origin", "*") as gateway:
        for origin in (EVIL, "null", "app://-", "file://"):
            served = await gateway.speak(Origin=origin)

            assert served.status == 200
            assert cors(served) == {**READABLE, "access-control-allow-origin": "*"}


@pytest.mark.parametrize(
    "origin", [EVIL, "http://app.example", "https://app.example:8443", "null", "https://x.app.example"]
)  # fmt: skip
async def test_another_page_is_refused_all_the_same(open_to_app: Served, origin: str) -> None:
    refused = await open_to_app.speak(Origin=origin)

    assert (refused.status, cors(refused)) == (403, {"vary": "Origin"})


async def test_caches_are_told_though_no_page_asked(open_to_app: Served) -> None:
    assert cors(await open_to_app.speak()) == {"vary": "Origin"}
    assert cors(await open_to_app.ask("GET", "/healthz")) == {"vary": "Origin"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", "/healthz", {}, None, 200),
        ("HEAD", "/readyz", {}, None, 200),
        ("GET", "/metrics", {}, None, 200),
        ("GET", "/nowhere", {}, None, 404),
        ("DELETE", "/healthz", {}, b"", 405),
        ("DELETE", "/tts", {}, b"", 405),
        ("POST", "/tts", {"Content-Type": "image/png"}, b"x", 415),
        ("POST", "/tts", {}, b"x" * 1001, 413),
        ("POST", "/stt", {"Content-Length": "99999999"}, None, 413),
        ("POST", "/tts", {}, b"", 400),
        ("POST", "/tts", {"Host": "no host"}, b"x", 400),
    ],
)
async def test_a_page_may_read_every_answer(
    open_to_app: Served,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes | None,
    status: int,
) -> None:
    async with await open_to_app.connect() as client:
        client.request(method, path, {"Origin": APP, **headers}, body)
        code, came = await client.head()

    assert code == status
    assert cors(Response(code, came, b"", whole=True)) == READABLE


async def test_a_page_may_read_what_openais_clients_are_answered(backend: ScriptedBackend) -> None:
    async with serving(backend.url, "--openai", "--allow-origin", APP) as gateway:
        for method, path, status in (
            ("GET", "/v1/models", 200),
            ("GET", "/v1/models/none", 404),
            ("POST", "/v1/audio/speech", 400),
            ("POST", "/audio/speech", 404),
        ):
            answered = await gateway.ask(method, path, {"Origin": APP}, b"")

            assert (answered.status, cors(answered)) == (status, READABLE)


async def test_a_page_may_read_why_its_key_is_refused(
    backend: ScriptedBackend, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("radio k-4711-0815-abcdef\n")
    flags = ("--client-keys", str(keys), "--allow-origin", APP)
    async with serving(backend.url, *flags) as gateway:
        refused = await gateway.speak(Origin=APP)

    assert (refused.status, cors(refused)) == (401, READABLE)


async def test_a_page_may_read_that_the_queue_is_full(backend: ScriptedBackend) -> None:
    hold(backend)
    flags = ("--max-concurrency=1", "--max-queue=0", "--allow-origin", APP)
    async with serving(backend.url, *flags) as gateway:
        async with await gateway.connect() as first:
            first.request("POST", "/tts", body=b"first")
            await backend.calls.get()
            refused = await gateway.speak(Origin=APP)

    assert (refused.status, cors(refused)) == (503, READABLE)
    assert refused.headers["retry-after"]


async def test_a_page_may_read_that_the_gateway_stops(backend: ScriptedBackend) -> None:
    hold(backend)
    async with serving(backend.url, "--allow-origin", APP) as gateway:
        async with await gateway.connect() as first, await gateway.connect() as later:
            first.request("POST", "/tts", body=b"first")
            await backend.calls.get()
            gateway.gateway.app[DRAIN].begin(refuse=True)

            asked = await later.ask("OPTIONS", "/tts", preflight())
            refused = await later.speak(Origin=APP)

    assert asked.status == 204
    assert (refused.status, cors(refused)) == (503, READABLE)


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (says(answer(b"no such plugin\n", "404 Not Found", "text/plain")), 404),
        (says(), 502),
    ],
)
async def test_a_page_may_read_how_the_backend_failed(
    open_to_app: Served, backend: ScriptedBackend, script: Script, status: int
) -> None:
    backend.script = script

    failed = await open_to_app.speak(Origin=APP)

    assert (failed.status, cors(failed)) == (status, READABLE)


class Raising(Step):
    """A plugin that fails."""

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        raise RuntimeError(f"{handler} is not called for {request}")


async def test_a_page_may_read_that_the_gateway_failed(backend: ScriptedBackend) -> None:
    flags = ("--plugin", f"{__name__}:Raising", "--allow-origin", APP)
    async with serving(backend.url, *flags) as gateway:
        failed = await gateway.speak(Origin=APP)

    assert (failed.status, cors(failed)) == (500, READABLE)


async def test_a_page_is_served_through_a_proxy_that_is_trusted(backend: ScriptedBackend) -> None:
    flags = ("--trusted-hops", "127.0.0.0/8", "--allow-origin", APP)
    async with serving(backend.url, *flags) as gateway:
        served = await gateway.speak(Origin=APP, X_Forwarded_For="198.51.100.7")
        refused = await gateway.speak(Origin=APP)

    assert (served.status, cors(served)) == (200, READABLE)
    assert (refused.status, cors(refused)) == (400, READABLE)


async def test_a_stream_carries_the_headers_at_its_head_and_may_break_after(
    open_to_app: Served, backend: ScriptedBackend
) -> None:
    goes_on = asyncio.Event()

    async def script(call: BackendCall) -> None:
        await call.media()
        await call.write(OK_CHUNKED + chunk(b"heard\n"))
        await goes_on.wait()
        call.writer.transport.abort()

    backend.script = script
    async with await open_to_app.connect() as client:
        client.begin_upload(Origin=APP)
        client.chunk(b"OggS")
        status, headers = await client.head()
        assert await client.piece() == b"heard\n"
        goes_on.set()
        assert await client.piece() is None

    assert (status, cors(Response(status, headers, b"", whole=False))) == (200, READABLE)


class Varying(Step):
    """A plugin whose answers depend on something else."""

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        response.headers["Vary"] = "Accept-Language"
        return response


async def test_what_else_an_answer_varies_by_stays(backend: ScriptedBackend) -> None:
    flags = ("--plugin", f"{__name__}:Varying", "--allow-origin", APP)
    async with serving(backend.url, *flags) as gateway:
        shown = await gateway.ask("GET", "/healthz")

    assert shown.headers["vary"] == "Accept-Language, Origin"


# --- preflights


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/tts", "POST, PUT"),
        ("/stt", "POST, PUT"),
        ("/healthz", "GET, HEAD"),
        ("/nowhere", "GET, HEAD"),
    ],
)
async def test_a_preflight_is_told_what_a_page_may_send(
    open_to_app: Served, path: str, methods: str
) -> None:
    asked = await open_to_app.ask("OPTIONS", path, preflight())

    assert (asked.status, asked.body) == (204, b"")
    assert cors(asked) == {
        **READABLE,
        "access-control-allow-methods": methods,
        "access-control-max-age": "7200",
    }


async def test_openais_clients_are_told_too(backend: ScriptedBackend) -> None:
    flags = ("--openai", "--speech-by-get", "--allow-origin", APP)
    async with serving(backend.url, *flags) as gateway:
        for path, methods in (
            ("/v1/audio/speech", "POST, GET"),
            ("/v1/audio/transcriptions/", "POST"),
            ("/v1/models", "GET, HEAD"),
            ("/v1/nowhere", "GET, HEAD"),
        ):
            asked = await gateway.ask("OPTIONS", path, preflight())

            assert (asked.status, asked.headers["access-control-allow-methods"]) == (204, methods)


async def test_openais_clients_are_refused_in_their_form(backend: ScriptedBackend) -> None:
    async with serving(backend.url, "--openai", "--allow-origin", APP) as gateway:
        for path in ("/v1/audio/speech", "/v1/models"):
            refused = await gateway.ask("OPTIONS", path, preflight(EVIL))

            assert (refused.status, cors(refused)) == (403, {"vary": "Origin"})
            assert '"type": "invalid_request_error"' in refused.text


@pytest.mark.parametrize(
    "names",
    [
        "authorization",
        "authorization,content-type,x-stainless-arch,x-stainless-helper-method",
        "Authorization, Content-Type\t,X-Request-ID",
        "a" * 1024,
    ],
)
async def test_the_headers_that_are_asked_for_are_allowed(open_to_app: Served, names: str) -> None:
    headers = preflight(Access_Control_Request_Headers=names)

    asked = await open_to_app.ask("OPTIONS", "/tts", headers)

    assert asked.headers["access-control-allow-headers"] == names


@pytest.mark.parametrize(
    "names", ["", "a b", "a,,b", ",", "x-\xfc", "a;q=1", '"a"', "a" * 1025, "a," * 600 + "a"]
)
async def test_what_are_no_headers_is_not_echoed(open_to_app: Served, names: str) -> None:
    headers = preflight(Access_Control_Request_Headers=names)

    asked = await open_to_app.ask("OPTIONS", "/tts", headers)

    assert asked.status == 204
    assert "access-control-allow-headers" not in asked.headers


@pytest.mark.parametrize(("asks", "told"), [("true", "true"), ("false", None), (None, None)])
async def test_a_private_network_is_allowed_where_it_is_asked_for(
    open_to_app: Served, asks: str | None, told: str | None
) -> None:
    more = {} if asks is None else {"Access_Control_Request_Private_Network": asks}

    asked = await open_to_app.ask("OPTIONS", "/tts", preflight(**more))

    assert asked.headers.get("access-control-allow-private-network") == told


async def test_any_page_may_ask_with_a_star(backend: ScriptedBackend) -> None:
    async with serving(backend.url, "--allow-origin", "*") as gateway:
        asked = await gateway.ask("OPTIONS", "/tts", preflight(EVIL))

    assert (asked.status, asked.headers["access-control-allow-origin"]) == (204, "*")


@pytest.mark.parametrize("path", ["/tts", "/healthz", "/nowhere"])
@pytest.mark.parametrize("origin", [EVIL, "null", "chrome-extension://abcdef", "http://a b", ""])
async def test_the_preflight_of_another_page_is_refused(
    open_to_app: Served, path: str, origin: str
) -> None:
    headers = preflight(origin, Access_Control_Request_Private_Network="true")

    refused = await open_to_app.ask("OPTIONS", path, headers)

    assert (refused.status, cors(refused)) == (403, {"vary": "Origin"})
    assert "Origin" in refused.text or f"--allow-origin {origin}" in refused.text


async def test_a_preflight_is_refused_without_the_setting(gateway: Served) -> None:
    refused = await gateway.ask("OPTIONS", "/tts", preflight())

    assert (refused.status, cors(refused)) == (403, {})


@pytest.mark.parametrize("path", ["/tts", "/healthz"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": APP}, {"Access-Control-Request-Method": "POST"}],
    ids=["bare", "no method", "no origin"],
)
async def test_options_that_are_no_preflight_are_refused(
    open_to_app: Served, path: str, headers: dict[str, str]
) -> None:
    refused = await open_to_app.ask("OPTIONS", path, headers)

    assert refused.status == 405
    assert refused.headers["allow"]


async def test_a_preflight_needs_no_key(backend: ScriptedBackend, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("radio k-4711-0815-abcdef\n")
    flags = ("--client-keys", str(keys), "--allow-origin", APP)
    async with serving(backend.url, *flags) as gateway:
        headers = preflight(Access_Control_Request_Headers="authorization")
        asked = await gateway.ask("OPTIONS", "/tts", headers)
        key = {"Authorization": "Bearer k-4711-0815-abcdef"}
        served = await gateway.ask("POST", "/tts", {"Origin": APP, **key}, b"Hello.")

    assert (asked.status, served.status) == (204, 200)


async def test_a_request_follows_its_preflight_on_the_same_connection(
    open_to_app: Served, backend: ScriptedBackend
) -> None:
    async with await open_to_app.connect() as client:
        assert (await client.ask("OPTIONS", "/tts", preflight())).status == 204
        assert (await client.speak(Origin=APP)).status == 200

    assert backend.seen == 1


# --- counting


async def test_preflights_and_refusals_are_counted(open_to_app: Served) -> None:
    await open_to_app.ask("OPTIONS", "/tts", preflight())
    await open_to_app.ask("OPTIONS", "/stt", preflight(EVIL))
    await open_to_app.speak(Origin=EVIL)
    await open_to_app.settled()

    assert open_to_app.count("tts", 204, "other") == 1
    assert open_to_app.count("stt", 403, "other") == 1
    assert open_to_app.count("tts", 403) == 1


async def test_what_browsers_may_lead_to_is_counted_from_the_start(open_to_app: Served) -> None:
    async def series() -> set[str]:
        page = (await open_to_app.ask("GET", "/metrics")).text
        return {line.rpartition(" ")[0] for line in page.splitlines()}

    before = await series()
    for path in ("/tts", "/stt"):
        await open_to_app.ask("OPTIONS", path, preflight())
        await open_to_app.ask("OPTIONS", path, preflight(EVIL))
        for method in ("GET", "POST"):
            await open_to_app.ask(method, path, {"Origin": EVIL}, b"")
    await open_to_app.settled()

    assert await series() == before


async def test_no_preflights_are_counted_where_there_can_be_none(gateway: Served) -> None:
    page = (await gateway.ask("GET", "/metrics")).text

    assert 'code="204"' not in page
