"""docs/openapi.yml is true: of every request that it describes, and of every way to fail."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import yaml
from aiohttp import web
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import FailureGroup

from speech_gateway.api import plain
from speech_gateway.api.openai import model_lists
from speech_gateway.config.options import OPTIONS
from speech_gateway.metrics import KNOWN_CODES
from tests.api.openai.test_abilities import ABLE
from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    Script,
    answer,
    chunk,
    says,
    scripted_backend,
)
from tests.support.client import RawClient, Response
from tests.support.gateway import Served, serving
from tests.support.openapi_hooks import AUDIO
from tests.support.paths import CASES, DOCS, ROOT
from tests.support.polling import until
from tests.upstream.test_pipeline_check import NODES

FILE = DOCS / "openapi.yml"
DOCUMENT: dict[str, Any] = yaml.safe_load(FILE.read_text())
ALL_APIS = ("--openai", "--speech-by-get", "--console")

SPEECH = (CASES / "streamkit-speech.ogg").read_bytes()
LINE = (
    b'{"Transcription":{"text":"the quick","segments":[{"text":"the quick","start_time_ms":0,'
    b'"end_time_ms":900,"confidence":null}],"language":"en","metadata":null}}\n'
)
FORM = "multipart/form-data; boundary=b"
UPLOAD = (
    FORM,
    b'--b\r\nContent-Disposition: form-data; name="language"\r\n\r\nen\r\n--b\r\n'
    b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n%s\r\n--b--\r\n' % AUDIO,
)
REQUESTS = {
    "/tts": ("text/plain", b"Hello."),
    "/stt": ("audio/ogg", b"OggS"),
    "/v1/audio/speech": ("application/json", b'{"input": "Hello."}'),
    "/v1/audio/transcriptions": UPLOAD,
    "/v1/audio/translations": UPLOAD,
}
"""A good request to each endpoint."""
LISTS = (
    "/v1/models",
    "/v1/models/{model}",
    "/v1/audio/models",
    "/v1/audio/voices",
    "/v1/audio/speech/voices",
)
PAGES = ("/", "/metrics", "/healthz", "/readyz", *LISTS)


async def like_streamkit(call: BackendCall) -> None:
    await call.whole_media()
    if call.headers["x-streamkit-service"] == "tts":
        await call.write(OK_CHUNKED + chunk(SPEECH) + LAST_CHUNK)
    else:
        head = OK_CHUNKED.replace(b"audio/ogg", b"application/json")
        await call.write(head + chunk(LINE) + LAST_CHUNK)


async def wait_for_ever(call: BackendCall) -> None:
    await call.whole_media()
    await call.until_closed()


@pytest.fixture
async def all_apis() -> AsyncIterator[Served]:
    """Serve everything that there is."""
    async with scripted_backend(like_streamkit) as backend:
        backend.bodies = {NODES: ABLE}
        async with serving(backend.url, *ALL_APIS) as gateway:
            yield gateway


# --- the file and the routes


def documented() -> dict[str, set[str]]:
    """Return the methods of each path."""
    return {
        path: {method.upper() for method in item if method != "parameters"}
        for path, item in DOCUMENT["paths"].items()
    }


def test_every_route_is_described_and_no_other(all_apis: Served) -> None:
    refusals = {plain.nowhere, model_lists.nowhere}
    routes = {
        route.resource.canonical.removesuffix("{slash}")
        for route in all_apis.gateway.app.router.routes()
        if route.resource is not None and route.handler not in refusals
    }

    assert routes == set(documented())


@pytest.mark.parametrize("path", documented())
async def test_the_methods_described_are_those_allowed(all_apis: Served, path: str) -> None:
    async with await all_apis.connect() as client:
        client.request("PATCH", path.replace("{model}", "tts-1"), body=b"x")
        response = await client.response()

    assert response.status == 405
    assert set(response.headers["allow"].replace(" ", "").split(",")) == documented()[path]


def test_every_speech_request_may_end_in_all_ways_that_are_counted() -> None:
    only_some_settings = {401, 429}
    never_sent = {499}
    ways = {*KNOWN_CODES, 405, *only_some_settings} - never_sent

    for path in REQUESTS:
        for method in documented()[path]:
            operation = DOCUMENT["paths"][path][method.lower()]
            assert set(operation["responses"]) == {*map(str, ways), "default"}, (method, path)


def test_the_limits_described_are_the_defaults() -> None:
    defaults = {option.name: option.default for option in OPTIONS}
    schemas = DOCUMENT["components"]["schemas"]

    assert str(schemas["Text"]["maxLength"]) == defaults["max-tts-text-size"]
    assert str(schemas["SpeechInput"]["maxLength"]) == defaults["max-speech-input"]


def test_the_models_described_are_those_that_there_are() -> None:
    (parameter,) = DOCUMENT["paths"]["/v1/models/{model}"]["parameters"]

    assert tuple(parameter["schema"]["enum"]) == model_lists.MODELS


# --- requests of all kinds


async def try_all(gateway: Served, folder: Path, *flags: str) -> tuple[int | None, str]:
    """Have schemathesis make requests; return its exit status and report."""
    config = ROOT / "tests" / "support" / "schemathesis.toml"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", f"--config-file={config}", "run", str(FILE)),
        *(f"--url={gateway.url}", "--no-color", "--continue-on-failure", *flags),
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.support.openapi_hooks",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    report, _ = await process.communicate()
    return process.returncode, report.decode()


@pytest.mark.timeout(300)
async def test_requests_of_all_kinds_are_answered_as_described(
    all_apis: Served, tmp_path: Path
) -> None:
    status, report = await try_all(all_apis, tmp_path)

    assert status == 0, report
    assert "No issues found" in report


# --- every way to fail


class Raising:
    """A plugin that fails."""

    async def setup(self, app: web.Application) -> None:
        @web.middleware
        async def fail(request: web.Request, handler: object) -> web.StreamResponse:
            raise RuntimeError("no")

        app.middlewares.append(fail)


@dataclass(frozen=True)
class Fault:
    """A way to fail, and what leads there."""

    status: int
    flags: tuple[str, ...] = ()
    script: Script = like_streamkit
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Instead of a good one."""
    before: int = 0
    """How many good requests are under way or wait already."""

    def __str__(self) -> str:
        return str(self.status)


KEYS = "KEYS"
"""In flags: the path of a file of keys."""
FAULTS = (
    Fault(400, body=b""),
    Fault(401, flags=("--client-keys", KEYS)),
    Fault(
        401, flags=("--client-keys", KEYS), headers={"Authorization": "Bearer none-of-these-is-it"}
    ),
    Fault(403, headers={"Origin": "https://evil.example"}),
    Fault(404, script=says(answer(b"no such plugin\n", "404 Not Found", "text/plain"))),
    Fault(405, method="DELETE"),
    Fault(
        408, flags=("--client-timeout=50ms",), headers={"Content-Length": "999"}, body=b"--b\r\n"
    ),
    Fault(413, headers={"Content-Length": "999999999"}),
    Fault(415, headers={"Content-Type": "image/png"}),
    Fault(
        429,
        flags=("--max-concurrency=2", "--max-queue=2", "--client-share=50%"),
        script=wait_for_ever,
        before=2,
    ),
    Fault(429, script=says(answer(b"slow down\n", "429 Too Many Requests", "text/plain"))),
    Fault(500, flags=("--plugin", f"{__name__}:Raising")),
    Fault(500, script=says(answer(b"it broke\n", "500 Internal Server Error", "text/plain"))),
    Fault(502, script=says()),
    Fault(502, script=says(answer(b"no\n", "401 Unauthorized", "text/plain"))),
    Fault(503, flags=("--max-concurrency=1", "--max-queue=0"), script=wait_for_ever, before=1),
    Fault(503, script=says(answer(b"later\n", "503 Service Unavailable", "text/plain"))),
    Fault(504, flags=("--upstream-timeout=50ms",), script=wait_for_ever),
)


def check(path: str, method: str, response: Response) -> None:
    """Have schemathesis judge a response; raises what is not as it is described."""
    operation = SCHEMA[path][method]
    came = schemathesis.Response(
        status_code=response.status,
        headers={name: [value] for name, value in response.headers.items()},
        content=response.body,
        request=requests.Request(method, f"http://gateway{path}").prepare(),
        elapsed=0.0,
        verify=False,
    )
    operation.Case(path_parameters={"model": "tts-1"}).validate_response(came, checks=CONFORMANCE)


SCHEMA = schemathesis.openapi.from_path(FILE)
load_all_checks()
CONFORMANCE = [
    getattr(schemathesis.checks, name)
    for name in (
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
]


@pytest.mark.parametrize("path", REQUESTS)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_a_failure_is_answered_as_described(fault: Fault, path: str, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("radio k-4711-0815-abcdef\n")
    flags = [flag.replace(KEYS, str(tmp_path / "keys")) for flag in fault.flags]
    content_type, body = REQUESTS[path]
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(scripted_backend(fault.script))
        backend.bodies = {NODES: ABLE}
        gateway = await stack.enter_async_context(serving(backend.url, *ALL_APIS, *flags))
        for number in range(1, fault.before + 1):
            other = await stack.enter_async_context(await gateway.connect())
            other.request("POST", "/tts", body=b"Hello.")
            await until(partial(gateway.inflight, "tts"), equals=number)
        client = await stack.enter_async_context(await gateway.connect())
        send(client, fault, path, content_type, body)
        response = await client.response()

    assert response.status == fault.status
    check(path, "POST", response)


def send(client: RawClient, fault: Fault, path: str, content_type: str, body: bytes) -> None:
    body = body if fault.body is None else fault.body
    length = {"Content-Length": str(len(body))}
    headers = {"Content-Type": content_type, **length, **fault.headers}
    client.request(fault.method, path, headers)
    client.write(body)


@pytest.mark.parametrize("path", PAGES)
async def test_another_method_on_a_page_is_refused_as_described(
    all_apis: Served, path: str
) -> None:
    async with await all_apis.connect() as client:
        client.request("DELETE", path.replace("{model}", "tts-1"))
        response = await client.response()

    assert response.status == 405
    check(path, "GET", response)


async def test_a_model_that_is_not_there_is_refused_as_described(all_apis: Served) -> None:
    async with await all_apis.connect() as client:
        client.request("GET", "/v1/models/gpt-0")
        response = await client.response()

    assert response.status == 404
    check("/v1/models/{model}", "GET", response)


async def test_a_gateway_that_is_not_ready_says_so_as_described() -> None:
    async with scripted_backend() as backend:
        backend.healthy = False
        async with serving(backend.url) as gateway, await gateway.connect() as client:
            client.request("GET", "/readyz")
            response = await client.response()

    assert response.status == 503
    check("/readyz", "GET", response)


async def test_openmetrics_are_as_described(all_apis: Served) -> None:
    async with await all_apis.connect() as client:
        client.request("GET", "/metrics", {"Accept": "application/openmetrics-text"})
        response = await client.response()

    assert response.headers["content-type"].startswith("application/openmetrics-text")
    check("/metrics", "GET", response)


def test_what_is_not_as_described_is_found() -> None:
    without_id = Response(503, {"content-type": "text/plain"}, b"busy\n", whole=True)

    with pytest.raises(FailureGroup, match="Missing required response headers"):
        check("/tts", "POST", without_id)
