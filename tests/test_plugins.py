"""Plugins: an operator's middleware, between the metrics and the content-type check."""

import re
import sys
import textwrap
from pathlib import Path

import pytest

from speech_gateway.config.plugin_loader import load
from tests.support.backend import ScriptedBackend
from tests.support.documents import PLUGINS
from tests.support.gateway import serving

RAISING = """
from aiohttp import web
class Raising:
    async def setup(self, app): app.middlewares.append(self.middleware)
    @web.middleware
    async def middleware(self, request, handler):
        if "X-Early" in request.headers:
            raise RuntimeError("secret of the plugin")
        response = await handler(request)
        if "X-Late" in request.headers:
            raise RuntimeError("secret of the plugin")
        return response
class NoSetup: pass
class PlainSetup:
    def setup(self, app): pass
def broken(): raise RuntimeError("no")
"""


@pytest.fixture
def observing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> str:
    """Make OBSERVING importable under a name of its own."""
    name = "observer_" + re.sub(r"\W", "_", request.node.name)
    (tmp_path / f"{name}.py").write_text(OBSERVING)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Make RAISING importable under a name of its own."""
    name = "plugin_" + re.sub(r"\W", "_", request.node.name)
    (tmp_path / f"{name}.py").write_text(RAISING)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


OBSERVING = """
from speech_gateway.plugins import CallAttempt, Observation, ObservedCall, TraceContext, observe
class Call(ObservedCall):
    def __init__(self, told):
        self.told = told
        self.trace = TraceContext("00-" + "ab" * 16 + "-" + "cd" * 8 + "-01")
    def answered(self, status): self.told.append(status)
    def end(self, error, seconds_ago): self.told.append("call ended")
class Seen(Observation):
    def __init__(self, told, exchange): self.told, self.exchange = told, exchange
    def call(self, attempt):
        self.told.append(attempt.resends)
        return Call(self.told)
    def end(self): self.told.append((self.exchange.status, self.exchange.request_id))
class Observing:
    told = []
    async def setup(self, app): observe(app, self)
    def begin(self, exchange, request):
        self.told.append((exchange.endpoint.path, request.method))
        return Seen(self.told, exchange)
class Failing:
    async def setup(self, app): observe(app, self)
    def begin(self, exchange, request): return FailingSeen()
class FailingSeen(Observation):
    def call(self, attempt): raise RuntimeError("no")
    def end(self): raise RuntimeError("no")
"""


async def test_an_observer_is_told_of_each_request_and_call(
    backend: ScriptedBackend, observing: str
) -> None:
    async with serving(backend.url, "--plugin", f"{observing}:Observing") as gateway:
        await gateway.speak(X_Request_ID="seven")
        await gateway.ask("GET", "/healthz")
        await gateway.settled()

    assert sys.modules[observing].Observing.told == [
        ("/tts", "POST"),
        0,
        200,
        "call ended",
        (200, "seven"),
    ]
    traceparent = (await backend.calls.get()).headers["traceparent"]
    assert traceparent == f"00-{'ab' * 16}-{'cd' * 8}-01"


async def test_an_observer_that_raises_fails_no_request(
    backend: ScriptedBackend, observing: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(backend.url, "--plugin", f"{observing}:Failing") as gateway:
        response = await gateway.speak()
        await gateway.settled()

        assert (response.status, response.whole) == (200, True)
        assert gateway.count("tts", 200) == 1
    assert caplog.text.count("an observer of requests failed") == 2


async def test_the_documented_plugin_does_what_it_says(
    backend: ScriptedBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = re.search(r"``sesame\.py``.*?::\n\n((?:    .*\n|\n)+)", PLUGINS.text)
    assert block is not None
    text = "".join(line[4:] or "\n" for line in block[1].splitlines(keepends=True))
    assert len([line for line in text.splitlines() if line.strip()]) <= 10
    (tmp_path / "sesame.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))

    async with serving(backend.url, "--plugin", "sesame:RequireKey") as gateway:
        async with await gateway.connect() as client:
            # Before the content type is looked at, and counted all the same.
            client.request("POST", "/tts", {"Content-Type": "image/png"}, b"x")
            assert (await client.response()).status == 401
        async with await gateway.connect() as client:
            client.request("POST", "/tts", {"X-Key": "open sesame"}, b"Hello.")
            assert (await client.response()).status == 200
        await gateway.settled()
        assert (gateway.count("tts", 401), gateway.count("tts", 200)) == (1, 1)
    sys.modules.pop("sesame")


async def test_the_documented_plugin_with_options_is_given_them(
    backend: ScriptedBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, code = (
        textwrap.dedent(re.sub(r"^ *\.\.\n", "", block))
        for block in re.findall(r"(?:yaml|like this::)\n\n((?:    .*\n|\n)+)", PLUGINS.text)
    )
    (tmp_path / "limits.py").write_text(code.replace("...", "return True"))
    (tmp_path / "gateway.yml").write_text(options)
    monkeypatch.syspath_prepend(str(tmp_path))

    async with serving(backend.url, "--config", str(tmp_path / "gateway.yml")) as gateway:
        async with await gateway.connect() as client:
            client.request("POST", "/tts", body=b"Hello.")
            response = await client.response()
        async with await gateway.connect() as client:
            client.request("POST", "/stt", {"Content-Type": "image/png"}, b"x")
            other = await client.response()

    assert (response.status, response.text) == (403, "it is quiet for 8 hours from 22:00\n")
    assert other.status == 415
    sys.modules.pop("limits")


async def test_the_tools_of_aiohttp_remotes_are_plugins_as_they_are(
    backend: ScriptedBackend,
) -> None:
    async with serving(backend.url, "--plugin", "aiohttp_remotes:XForwardedRelaxed") as gateway:
        async with await gateway.connect() as client:
            client.request("POST", "/tts", {"X-Forwarded-For": "192.0.2.7"}, b"Hello.")
            response = await client.response()

    assert (response.status, response.body) == (200, b"OggS-speech")


@pytest.mark.parametrize("when", ["X-Early", "X-Late"])
async def test_a_plugin_that_raises_fails_its_own_request_alone(
    backend: ScriptedBackend, module: str, when: str
) -> None:
    async with serving(backend.url, "--plugin", f"{module}:Raising") as gateway:
        async with await gateway.connect() as client:
            client.request("POST", "/tts", {when: "1"}, b"Hello.")
            response = await client.response()
        async with await gateway.connect() as client:
            client.request("POST", "/tts", body=b"Hello.")
            assert (await client.response()).status == 200
        await gateway.settled()

        assert b"secret" not in response.body
        assert gateway.inflight("tts") == 0
        if when == "X-Early":
            assert response.status == 500
            assert (gateway.count("tts", 500), gateway.count("tts", 200)) == (1, 1)
        else:  # the client had been sent all of it
            assert (gateway.count("tts", 500), gateway.count("tts", 200)) == (0, 2)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("no_such_module:x", "cannot be imported"),
        ("json:nothing", "json has no nothing"),
        ("json", "not of the form package.module:factory"),
        ("{module}:NoSetup", "without 'async def setup(app)'"),
        ("{module}:PlainSetup", "without 'async def setup(app)'"),
        ("{module}:broken", "cannot be made"),
    ],
)
def test_what_is_no_plugin_is_refused(module: str, reference: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        load(reference.format(module=module))
