"""The gateway as a service of a real systemd, installed as an operator installs it."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from tests.support import systemd
from tests.support.backend import (
    OK_CHUNKED,
    BackendCall,
    ScriptedBackend,
    chunk,
    says,
    scripted_backend,
)
from tests.support.client import RawClient
from tests.support.documents import OPERATING
from tests.support.openai_api import order, send_form
from tests.support.systemd import CREDENTIALS, PYTHON, UNITS, Host

PREFIX = "/opt/speech-gateway"
CONFIG = "/etc/speech-gateway"
SERVICE, SOCKET = "speech-gateway.service", "speech-gateway.socket"
PORT = 8080
MISSING = systemd.MISSING or systemd.python_missing()

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.timeout(120),  # the first of them installs
]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with systemd.booted() as booted:
        install(booted)
        booted.run("systemctl", "daemon-reload")
        yield booted


def install(host: Host) -> str:
    return host.make("install", f"PREFIX={PREFIX}", f"PYTHON={PYTHON}")


@dataclass
class Service:
    """The installed gateway, in front of a scripted backend on the same host."""

    host: Host
    backend: ScriptedBackend

    def configure(self, environment: str = "", unit: str = "") -> None:
        """Set environment variables and lines of the unit's [Service], for one test."""
        url = "" if "SKIT_URL" in environment else f"SKIT_URL={self.backend.url}\n"
        self.host.write(f"{CONFIG}/environment", url + environment)
        self.host.write(f"{UNITS}/{SERVICE}.d/test.conf", f"[Service]\n{unit}\n")
        self.host.run("systemctl", "daemon-reload")

    def control(self, verb: str, unit: str = SERVICE) -> None:
        self.host.run("systemctl", verb, unit)

    async def control_meanwhile(self, verb: str) -> None:
        await asyncio.to_thread(self.control, verb)

    def show(self, what: str) -> str:
        return self.host.show(SERVICE, what)

    def journal(self) -> str:
        return self.host.run("journalctl", "--no-pager", "-o", "cat", "-u", SERVICE)

    async def until(self, what: str, value: str) -> None:
        """Wait until a property of the unit has a value."""
        async with asyncio.timeout(30):
            while await asyncio.to_thread(self.show, what) != value:
                await asyncio.sleep(0.05)  # only asking tells

    async def connect(self) -> RawClient:
        sock = self.host.machine.socket()
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", PORT))
        return RawClient(*await asyncio.open_connection(sock=sock))

    async def speak(self, text: bytes = b"Hello.") -> bytes:
        async with asyncio.timeout(30), await self.connect() as client:
            client.request("POST", "/tts", body=text)
            response = await client.response()
            assert (response.status, response.whole) == (200, True), response
            return response.body


@asynccontextmanager
async def service_on(host: Host) -> AsyncIterator[Service]:
    listener = host.machine.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    async with scripted_backend(listener=listener) as backend:
        yield Service(host, backend)


@pytest.fixture
async def service(host: Host) -> AsyncIterator[Service]:
    async with service_on(host) as installed:
        installed.configure()
        yield installed
        host.run("systemctl", "stop", SOCKET, SERVICE)
        host.run("systemctl", "reset-failed", SOCKET, SERVICE, check=False)
        host.remove(f"{UNITS}/{SERVICE}.d/test.conf")


@asynccontextmanager
async def stream(service: Service) -> AsyncIterator[tuple[RawClient, asyncio.Event]]:
    """Have a stream under way; it goes on to its end when the event is set."""
    release = asyncio.Event()

    async def script(call: BackendCall) -> None:
        media = await call.whole_media()
        if media == b"Go on.":
            await call.write(OK_CHUNKED + chunk(b"first"))
            await release.wait()
            await call.write(chunk(b"second") + b"0\r\n\r\n")
        else:
            await call.write(OK_CHUNKED + chunk(b"whole") + b"0\r\n\r\n")

    service.backend.script = script
    async with await service.connect() as client:
        client.request("POST", "/tts", body=b"Go on.")
        await client.head()
        assert await client.piece() == b"first"
        yield client, release


async def test_the_units_are_clean_and_hardened(host: Host) -> None:
    units = f"{UNITS}/{SERVICE}", f"{UNITS}/{SOCKET}"
    told = host.run("sh", "-c", f"systemd-analyze verify --man=no {' '.join(units)} 2>&1")
    # --threshold is tenfold; more makes it fail
    exposure = host.run("systemd-analyze", "security", "--threshold=15", "--no-pager", SERVICE)

    assert told == ""
    assert float(re.findall(r"Overall exposure level.*: ([\d.]+)", exposure)[0]) <= 1.5


async def test_a_start_is_over_when_the_gateway_serves(service: Service) -> None:
    service.control("start")

    assert service.show("ActiveState") == "active"
    assert service.show("StatusText") == (
        f"serving on http://localhost:{PORT}; requests under way: 0"
    )
    assert await service.speak() == b"OggS-speech"


async def test_the_bundled_engine_works_in_the_sandbox(service: Service) -> None:
    service.configure("SKIT_URL=embedded\n")
    service.control("start")

    speech = await service.speak(b"The quick brown fox jumps over the lazy dog.")
    async with await service.connect() as client:
        client.request("POST", "/stt", body=speech)
        heard = await client.response()

    assert "quick brown fox" in heard.text


async def test_media_workers_have_their_own_sandbox_in_that_one(service: Service) -> None:
    service.configure("SKIT_URL=embedded\nGATEWAY_OPENAI=true\n")
    service.control("start")

    async with await service.connect() as client:
        speech = await order(client, response_format="mp3")
        heard = await send_form(client, [("file", speech.body)])
        await service.speak("\u0928\u092e\u0938\u094d\u0924\u0947".encode())

    assert speech.headers["content-type"] == "audio/mpeg"
    assert heard.status == 200
    journal = service.host.run("journalctl", "-o", "cat", "--no-pager", "-u", SERVICE)
    assert "media workers" not in journal


async def test_the_first_connection_starts_the_gateway(service: Service) -> None:
    service.control("start", SOCKET)
    assert service.show("ActiveState") == "inactive"

    assert await service.speak() == b"OggS-speech"
    assert service.show("ActiveState") == "active"


async def test_the_journal_has_the_levels_as_priorities(service: Service) -> None:
    service.control("start")
    await service.speak()
    service.backend.script = says(then="resets")
    async with await service.connect() as client:
        client.request("POST", "/tts", body=b"Hello.")
        await client.response()

    told = service.host.run("journalctl", "-o", "json", "--no-pager", "-u", SERVICE).splitlines()
    lines = [json.loads(line) for line in told if "ended with" in line]

    assert [line["PRIORITY"] for line in lines[-2:]] == ["6", "4"]
    assert lines[-2]["MESSAGE"].startswith("speech_gateway.middlewares.request_log: POST /tts")


async def test_the_token_is_a_credential(service: Service) -> None:
    service.host.write(f"{CREDENTIALS}/speech-gateway.token", "s3cret\n")
    try:
        service.control("start")
        await service.speak()
    finally:
        service.host.remove(f"{CREDENTIALS}/speech-gateway.token")

    assert service.backend.calls.get_nowait().headers["authorization"] == "Bearer s3cret"


async def test_wrong_settings_are_told_in_the_journal_and_not_tried_again(service: Service) -> None:
    service.configure("GATEWAY_MAX_CONCURRENCY=many\n")

    with suppress(AssertionError):
        service.control("start")

    assert service.show("ActiveState") == "failed"
    assert service.show("NRestarts") == "0"
    assert "max-concurrency (from the environment's GATEWAY_MAX_CONCURRENCY)" in service.journal()


@pytest.mark.parametrize("kept", [False, True], ids=["a connection each", "kept connections"])
async def test_a_restart_under_load_fails_no_request(service: Service, kept: bool) -> None:
    service.control("start")
    served, restarted = 0, asyncio.Event()

    async def client() -> None:
        nonlocal served
        connection = await service.connect()
        while not restarted.is_set():
            connection.request("POST", "/tts", body=b"Hello.")
            response = await connection.response()
            assert (response.status, response.body) == (200, b"OggS-speech")
            served += 1
            if not kept or response.headers.get("connection") == "close":
                connection.leave()
                connection = await service.connect()
        connection.leave()

    async def restart() -> None:
        for _ in range(3):
            before = served
            await service.control_meanwhile("restart")
            async with asyncio.timeout(30):
                while served < before + 100:
                    await asyncio.sleep(0.01)  # for as much load on the new one
        restarted.set()

    await asyncio.gather(restart(), *(client() for _ in range(10)))

    assert served >= 300
    assert service.show("NRestarts") == "0"


async def test_a_restart_lets_a_stream_finish_and_new_clients_wait(service: Service) -> None:
    service.configure(unit="TimeoutStopSec=2")  # less than it takes: the gateway asks for more
    service.control("start")

    async with stream(service) as (client, release):
        restart = asyncio.create_task(service.control_meanwhile("restart"))
        await service.until("SubState", "stop-sigterm")
        newcomer = asyncio.create_task(service.speak())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(newcomer), timeout=4)  # more than TimeoutStopSec
        assert service.show("StatusText") == "stopping; requests under way: 1"

        release.set()
        assert await client.piece() == b"second"
        assert await client.piece() == b""
        assert await newcomer == b"whole"
        await restart
    assert service.show("Result") == "success"


async def test_a_stop_lets_a_stream_finish(service: Service) -> None:
    service.control("start")

    async with stream(service) as (client, release):
        stop = asyncio.create_task(service.control_meanwhile("stop"))
        await service.until("SubState", "stop-sigterm")
        release.set()

        assert await client.piece() == b"second"
        assert await client.piece() == b""
        await stop
    assert (service.show("ActiveState"), service.show("Result")) == ("inactive", "success")


STUCK = """
import time

class Stick:
    async def setup(self, app):
        app.middlewares.append(self.middleware)

    async def middleware(self, request, handler):
        if request.headers.get("X-Stick"):
            time.sleep(600)
        return await handler(request)

    middleware.__middleware_version__ = 1
"""


async def test_a_stuck_event_loop_is_killed_and_started_again(service: Service) -> None:
    service.host.write(f"{PREFIX}/plugins/stuck.py", STUCK)
    service.configure(
        f"GATEWAY_PLUGINS=stuck:Stick\nPYTHONPATH={PREFIX}/plugins\n",
        unit="WatchdogSec=1\nTimeoutAbortSec=5",
    )
    service.control("start")

    async with await service.connect() as client:
        client.request("POST", "/tts", headers={"X-Stick": "yes"}, body=b"Hello.")
        await service.until("NRestarts", "1")

        assert await client.closed()
    assert await service.speak() == b"OggS-speech"
    assert "Watchdog timeout" in service.host.run("journalctl", "--no-pager", "-u", SERVICE)


async def test_a_killed_gateway_is_started_again_and_its_streams_break(service: Service) -> None:
    service.control("start")

    async with stream(service) as (client, _):
        service.host.run("systemctl", "kill", "--kill-whom=main", "-s", "KILL", SERVICE)

        assert await client.piece() is None
        assert await service.speak() == b"whole"
    await service.until("ActiveState", "active")
    assert service.show("NRestarts") == "1"


def test_the_pauses_after_failures_grow(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("run")
    sleep = folder / "sleep"
    sleep.write_text(f'#!/bin/sh\necho "$1" >>{folder}/slept\n')
    sleep.chmod(0o755)

    for result in ("exit-code", "watchdog", "signal", "success", "signal", "signal", "signal"):
        subprocess.run(
            ["systemd/pause-after-failure"],
            env={
                "PATH": f"{folder}:/usr/bin:/bin",
                "RUNTIME_DIRECTORY": str(folder),
                "SERVICE_RESULT": result,
            },
            check=True,
        )

    assert (folder / "slept").read_text().split() == ["0", "1", "2", "4", "8", "8"]


async def test_the_operators_page_can_be_followed() -> None:
    commands = OPERATING.commands(prompt="#")
    told = {}
    with systemd.booted() as host:
        host.write("/run/my-token", "s3cret\n")
        async with service_on(host) as service:
            for command in commands:
                if command.startswith("make "):
                    host.make(*command.split()[1:], f"PYTHON={PYTHON}")
                    continue
                here = f"cd /run; {command.replace('http://127.0.0.1:4545', service.backend.url)}"
                told[command] = await asyncio.to_thread(host.run, "bash", "-ec", here)
                if " enable " in command or " restart " in command:
                    await service.speak()
        left = host.run(
            "find", PREFIX, CONFIG, CREDENTIALS, UNITS, "-name", "*speech*", check=False
        )

    assert len(commands) == 15
    assert "Active: active (running)" in told[next(c for c in commands if " status " in c)]
    calls = [service.backend.calls.get_nowait() for _ in range(2)]
    assert {call.headers["authorization"] for call in calls} == {"Bearer s3cret"}
    assert left == ""


async def test_installing_again_keeps_an_edited_configuration(host: Host) -> None:
    edited = "max-queue: 7\n"
    host.write(f"{CONFIG}/speech-gateway.conf", edited)

    told = install(host)

    assert host.run("cat", f"{CONFIG}/speech-gateway.conf") == edited
    assert "systemctl enable --now" in told
    assert f"{CONFIG}/speech-gateway.conf as you have edited it" in told
