"""The gateway as a service of a real systemd, installed as an operator installs it."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.support import systemd
from tests.support.backend import (
    OK_CHUNKED,
    BackendCall,
    chunk,
    hears,
    says,
)
from tests.support.client import RawClient, connect
from tests.support.documents import OPERATING
from tests.support.network import GATEWAY_ADDRESS
from tests.support.openai_api import order, send_form
from tests.support.polling import until
from tests.support.realtime import speech
from tests.support.service import (
    CONFIG,
    FAILED,
    PORT,
    PREFIX,
    SERVICE,
    SOCKET,
    Service,
    install,
    service_on,
)
from tests.support.systemd import CREDENTIALS, UNIT_PATH, UNITS, Host
from tests.support.wyoming import WyomingClient

WYOMING_PORT, METRICS_PORT = 10300, 9100
MISSING = systemd.MISSING or systemd.python_missing()

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.timeout(300),  # the first of them installs
]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with systemd.booted() as booted:
        install(booted)
        booted.run("systemctl", "daemon-reload")
        yield booted


@pytest.fixture
async def service(host: Host) -> AsyncIterator[Service]:
    async with service_on(host) as installed:
        installed.configure()
        yield installed
        host.run("systemctl", "stop", SOCKET, SERVICE, FAILED)
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
    units = [f"{UNITS}/{unit}" for unit in (SERVICE, SOCKET, FAILED)]
    verify = f"SYSTEMD_UNIT_PATH={UNIT_PATH} systemd-analyze verify --man=no {' '.join(units)}"
    told = host.run("sh", "-c", f"{verify} 2>&1")
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


async def test_wyoming_is_served_and_announced_in_the_sandbox(service: Service) -> None:
    machine = service.host.machine
    machine.ip("link", "add", "house", "type", "veth", "peer", "name", "garden")
    machine.ip("addr", "add", f"{GATEWAY_ADDRESS}/24", "dev", "house")
    for end in ("house", "garden"):
        machine.ip("link", "set", end, "up")
    service.configure(
        f"GATEWAY_WYOMING_LISTEN=0.0.0.0:{WYOMING_PORT}\nGATEWAY_WYOMING_ANNOUNCE=true\n"
    )
    service.backend.script = hears("The quick brown fox.")
    service.control("start")

    raw = await connect(WYOMING_PORT, host=GATEWAY_ADDRESS, sock=machine.socket())
    async with raw:
        assert await WyomingClient(raw).transcribe(speech()) == "The quick brown fox."
    await until(lambda: "Wyoming is announced" in service.journal(), 30)
    assert f"at {GATEWAY_ADDRESS}" in service.journal()


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


async def test_the_journal_has_fields_to_select_by(service: Service) -> None:
    service.control("start")
    await service.speak()
    service.backend.script = says(then="resets")
    async with await service.connect() as client:
        client.request("POST", "/tts", {"X-Request-ID": "the-failed-one"}, b"Hello.")
        await client.response()

    def selected(*fields: str) -> list[dict[str, str]]:
        words = ("journalctl", "-o", "json", "--no-pager", "-b", "-u", SERVICE, *fields)
        return [json.loads(line) for line in service.host.run(*words).splitlines()]

    failed = selected("SPEECH_GATEWAY_CODE=502", "SPEECH_GATEWAY_REQUEST_ID=the-failed-one")
    assert len(failed) == 1
    assert failed[0]["SPEECH_GATEWAY_PATH"] == "/tts"
    assert failed[0]["SPEECH_GATEWAY_WHY"].startswith("the backend failed: ")
    assert failed[0]["SYSLOG_IDENTIFIER"] == "speech-gateway"
    assert failed[0]["_TRANSPORT"] == "journal"
    line = next(line for line in service.journal().splitlines() if "the-failed-one" in line)
    assert line.startswith("speech_gateway.middlewares.request_log: POST /tts ended with 502 ")


async def test_the_token_is_a_credential(service: Service) -> None:
    service.host.write(f"{CREDENTIALS}/speech-gateway.token", "s3cret\n")
    try:
        service.control("start")
        await service.speak()
    finally:
        service.host.remove(f"{CREDENTIALS}/speech-gateway.token")

    assert service.backend.calls.get_nowait().headers["authorization"] == "Bearer s3cret"


async def test_a_token_that_has_changed_is_taken_at_once(service: Service) -> None:
    token = f"{CREDENTIALS}/speech-gateway.token"
    service.host.write(token, "first\n")
    try:
        service.control("start")
        service.host.write(token, "second\n")

        async def shown() -> str:
            await service.speak()
            return service.backend.calls.get_nowait().headers["authorization"]

        assert await until(shown, 30, equals="Bearer second")
    finally:
        service.host.remove(token)
    assert service.show("NRestarts") == "0"


async def test_a_first_token_is_taken_at_once(service: Service) -> None:
    service.control("start")
    await service.speak()
    assert "authorization" not in service.backend.calls.get_nowait().headers

    try:
        service.host.write(f"{CREDENTIALS}/speech-gateway.token", "first\n")

        async def shown() -> str | None:
            await service.speak()
            return service.backend.calls.get_nowait().headers.get("authorization")

        assert await until(shown, 30, equals="Bearer first")
    finally:
        service.host.remove(f"{CREDENTIALS}/speech-gateway.token")


async def test_a_token_that_was_mended_leaves_nothing_to_complain_of(service: Service) -> None:
    token = f"{CREDENTIALS}/speech-gateway.token"
    service.host.write(token, "first\n")
    try:
        service.control("start")
        service.host.write(token, "")
        assert await until(lambda: service.show("StatusText"), 30, holds=lambda t: "failed" in t)

        service.host.write(token, "second\n")

        assert await until(
            lambda: service.show("StatusText"), 30, holds=lambda t: "failed" not in t
        )
    finally:
        service.host.remove(token)


async def test_a_reload_changes_the_settings_under_a_stream(service: Service) -> None:
    service.host.write(f"{CONFIG}/reloaded.conf", "max-tts-text-size: 10\n")
    service.configure(f"GATEWAY_CONFIG={CONFIG}/reloaded.conf\n")
    service.control("start")
    pid = service.show("MainPID")

    async with stream(service) as (client, release):
        service.host.write(f"{CONFIG}/reloaded.conf", "max-tts-text-size: 100\n")
        await service.control_meanwhile("reload")

        assert await service.speak(b"a" * 100) == b"whole"
        release.set()
        assert await client.piece() == b"second"
        assert await client.piece() == b""
    assert (service.show("MainPID"), service.show("ActiveState")) == (pid, "active")


async def test_a_reload_with_wrong_settings_fails_and_leaves_the_old_ones(service: Service) -> None:
    service.host.write(f"{CONFIG}/reloaded.conf", "max-tts-text-size: 10\n")
    service.configure(f"GATEWAY_CONFIG={CONFIG}/reloaded.conf\n")
    service.control("start")
    service.host.write(f"{CONFIG}/reloaded.conf", "max-tts-text-size: many\n")

    with pytest.raises(AssertionError, match="failed"):
        await service.control_meanwhile("reload")

    assert await until(lambda: service.show("StatusText"), 30, holds=lambda told: "failed" in told)
    assert service.show("ActiveState") == "active"
    assert "not reloaded: max-tts-text-size" in service.journal()
    assert await service.speak(b"a" * 10) == b"OggS-speech"


async def test_wrong_settings_are_told_in_the_journal_and_not_tried_again(service: Service) -> None:
    service.configure("GATEWAY_MAX_CONCURRENCY=many\n")

    with suppress(AssertionError):
        service.control("start")

    assert service.show("ActiveState") == "failed"
    assert service.show("NRestarts") == "0"
    assert "max-concurrency (from the environment's GATEWAY_MAX_CONCURRENCY)" in service.journal()


CANNOT_START = [
    pytest.param("GATEWAY_MAX_CONCURRENCY=many\n", "", id="wrong settings"),
    pytest.param(f"PYTHONPATH={PREFIX}/broken\n", "", id="a missing module"),
    pytest.param("", "ExecStart=\nExecStart=/opt/gone", id="no program"),
    pytest.param("", "ReadWritePaths=/gone", id="no sandbox"),
    pytest.param("", "LoadCredential=some:/gone", id="no credential"),
]


@pytest.mark.parametrize(("environment", "unit"), CANNOT_START)
async def test_no_client_hangs_where_the_gateway_cannot_start(
    service: Service, environment: str, unit: str
) -> None:
    service.host.write(f"{PREFIX}/broken/uvloop.py", "raise ImportError('no uvloop')\n")
    service.configure(environment, unit)
    service.control("start", SOCKET)

    async with await service.connect() as client:
        client.request("POST", "/tts", body=b"Hello.")
        assert await client.closed()
    await until(lambda: service.host.show(SOCKET, "ActiveState") == "inactive")
    with pytest.raises(ConnectionRefusedError):
        await service.connect()
    assert (service.show("ActiveState"), service.show("NRestarts")) == ("failed", "0")
    assert service.host.show(FAILED, "ActiveState") == "active"

    service.configure()
    service.control("start")
    assert await service.speak() == b"OggS-speech"
    assert service.host.show(FAILED, "ActiveState") == "inactive"


async def test_a_start_that_fails_for_now_has_its_clients_wait(service: Service) -> None:
    service.configure(f"GATEWAY_METRICS_LISTEN=127.0.0.1:{METRICS_PORT}\n")
    with service.host.machine.socket() as other:
        other.bind(("127.0.0.1", METRICS_PORT))
        other.listen()
        service.control("start", SOCKET)
        speech = asyncio.create_task(service.speak())
        await service.until("NRestarts", "1")

    assert await speech == b"OggS-speech"


async def test_a_restart_goes_on_when_the_old_gateway_has_to_be_killed(service: Service) -> None:
    service.configure(unit="KillSignal=SIGCONT\nTimeoutStopSec=1")
    service.control("start")
    old = service.show("MainPID")

    await service.control_meanwhile("restart")

    assert await service.speak() == b"OggS-speech"
    assert service.show("MainPID") != old
    assert "Failed with result 'timeout'" in service.journal()


async def test_the_check_tells_what_is_wrong_beside_the_running_gateway(service: Service) -> None:
    service.control("start")
    running = service.show("MainPID")
    right = await service.check()
    service.configure("GATEWAY_MAX_QUEUE=lots\n", "Environment=GATEWAY_MAX_CONCURRENCY=many")
    wrong = await service.check()

    assert right == (0, "speech-gateway: the settings are right")
    assert wrong[0] == 2
    assert "max-queue (from the environment's GATEWAY_MAX_QUEUE)" in wrong[1]
    assert "max-concurrency (from the environment's GATEWAY_MAX_CONCURRENCY)" in wrong[1]
    assert service.show("MainPID") == running
    assert await service.speak() == b"OggS-speech"


WHO = """
import os
raise SystemExit(f"{os.getuid()} {os.environ['CREDENTIALS_DIRECTORY']} {os.path.exists('/root/.')}")
"""


async def test_the_check_is_made_as_the_services_own_user_in_its_sandbox(service: Service) -> None:
    service.host.write(f"{PREFIX}/plugins/who.py", WHO)
    service.control("start")
    user = service.host.run("stat", "-c", "%u", "/run/speech-gateway/").strip()
    service.configure(f"GATEWAY_PLUGINS=who:Who\nPYTHONPATH={PREFIX}/plugins\n")

    status, told = await service.check()

    assert status == 2
    assert f"{user} /run/credentials/speech-gateway-check.service False" in told


async def test_a_sandbox_that_cannot_be_made_is_told_by_the_check(service: Service) -> None:
    service.configure(unit="ReadWritePaths=/gone")

    status, told = await service.check()

    assert status == 2
    assert "/gone: No such file or directory" in told


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
    # test_debian_package has those of the package
    commands = [line for line in OPERATING.commands(prompt="#") if "deb" not in line]
    told = {}
    with systemd.booted() as host:
        host.write("/run/my-token", "s3cret\n")
        async with service_on(host) as service:
            for command in commands:
                if command.startswith("make "):
                    host.make(*command.split()[1:])
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
