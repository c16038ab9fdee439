"""The gateway looks at its backend by itself: what it asks, when, and what it tells."""

import asyncio
import logging
import socket
import time

import pytest

from speech_gateway.upstream import backend_monitor
from speech_gateway.upstream.backend_monitor import BackendMonitor
from speech_gateway.upstream.client import UPSTREAM_CLIENT
from tests.support.backend import ScriptedBackend, says
from tests.support.gateway import Served, serving
from tests.support.looks import LOOK_TIMEOUT, look_often, problem, ready
from tests.support.polling import until

HEALTH, NODES = "/healthz", "/api/v1/schema/nodes"


@pytest.fixture
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    look_often(monkeypatch)


def monitor_of(gateway: Served) -> BackendMonitor:
    return gateway.gateway.app[UPSTREAM_CLIENT].monitor


def asked_for(backend: ScriptedBackend, path: str) -> int:
    return sum(path in call.request_line for call in backend.asked)


async def test_without_traffic_it_is_known_whether_the_backend_is_ready(
    backend: ScriptedBackend, gateway: Served
) -> None:
    await until(lambda: ready(gateway), equals=1)

    assert asked_for(backend, HEALTH) == 1


@pytest.mark.usefixtures("looking_often")
async def test_it_looks_again_and_again(backend: ScriptedBackend, gateway: Served) -> None:
    await until(lambda: asked_for(backend, HEALTH) > 3)

    backend.healthy = False
    await until(lambda: (ready(gateway), problem(gateway, "unhealthy")), equals=(0, 1))
    backend.healthy = True
    await until(lambda: (ready(gateway), problem(gateway, "unhealthy")), equals=(1, 0))


@pytest.mark.usefixtures("looking_often")
@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden", "404 Not Found"])
async def test_the_long_list_of_nodes_is_asked_for_once(
    backend: ScriptedBackend, status: str
) -> None:
    backend.pages[NODES] = status
    async with serving(backend.url, "--token=one-of-ours"):
        await until(lambda: asked_for(backend, HEALTH) > 5)

    assert asked_for(backend, NODES) == 1


@pytest.mark.usefixtures("looking_often")
async def test_a_wrong_token_is_a_problem_of_its_own(backend: ScriptedBackend) -> None:
    backend.pages[NODES] = "401 Unauthorized"
    async with serving(backend.url, "--token=of-yesterday") as gateway:
        await until(lambda: problem(gateway, "token_refused"), equals=1)

        assert ready(gateway) == 0


async def test_a_call_that_fails_has_it_look_at_once(
    backend: ScriptedBackend, gateway: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend_monitor, "RETRY_INTERVAL", 0.0)
    monkeypatch.setattr(backend_monitor, "CACHE_SECONDS", 0.0)
    monkeypatch.setattr(backend_monitor, "INTERVAL", 3600.0)
    await until(lambda: ready(gateway), equals=1)
    backend.script, backend.healthy = says(then="resets"), False

    assert (await gateway.speak()).status == 502

    await until(lambda: ready(gateway), equals=0)


async def test_calls_that_fail_do_not_have_it_look_all_the_time(
    backend: ScriptedBackend, gateway: Served
) -> None:
    backend.script = says(then="resets")
    began = time.monotonic()
    for _ in range(20):
        assert (await gateway.speak()).status == 502

    assert asked_for(backend, HEALTH) <= 3 + time.monotonic() - began


async def test_a_stopped_monitor_looks_no_more_and_can_be_started_again(
    backend: ScriptedBackend, gateway: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_often(monkeypatch)
    monitor = monitor_of(gateway)
    await until(lambda: ready(gateway), equals=1)

    await monitor.stop()
    looks = asked_for(backend, HEALTH)
    await asyncio.sleep(0.3)  # time for some looks
    assert asked_for(backend, HEALTH) == looks

    monitor.start()
    await until(lambda: asked_for(backend, HEALTH) > looks)


async def test_who_asks_while_it_is_stopped_gets_what_was_found_last(
    backend: ScriptedBackend, gateway: Served
) -> None:
    await until(lambda: ready(gateway), equals=1)
    await asyncio.sleep(backend_monitor.CACHE_SECONDS)  # what is cached is too old
    backend.mute = True
    asking = asyncio.create_task(gateway.ask("GET", "/readyz"))
    await until(lambda: asked_for(backend, HEALTH), equals=2)

    await monitor_of(gateway).stop()

    assert (await asking).status == 200


async def test_a_gateway_that_was_held_up_itself_blames_nobody(
    backend: ScriptedBackend, gateway: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_often(monkeypatch)
    await until(lambda: ready(gateway), equals=1)
    found: list[float] = []
    state = gateway.gateway.app[UPSTREAM_CLIENT].state
    state.watchers.append(lambda: found.append(ready(gateway)))

    def is_looking() -> bool:
        look = monitor_of(gateway)._look
        return look is not None and not look.done()

    for steps in range(6):  # of the look that are behind it
        await until(is_looking, every=0.0)
        for _ in range(steps):
            await asyncio.sleep(0)
        time.sleep(2 * LOOK_TIMEOUT)
    looks = asked_for(backend, HEALTH)
    await until(lambda: asked_for(backend, HEALTH) > looks + 1)

    assert found == []


async def test_a_change_is_told_once(
    backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    look_often(monkeypatch)
    caplog.set_level(logging.INFO)
    backend.healthy = False
    async with serving(backend.url) as gateway:
        await until(lambda: asked_for(backend, HEALTH) > 3)
        backend.healthy = True
        await until(lambda: ready(gateway), equals=1)
        looks = asked_for(backend, HEALTH)
        await until(lambda: asked_for(backend, HEALTH) > looks + 3)

    told = [r.getMessage() for r in caplog.records if r.name.endswith("backend_monitor")]
    assert told == ["the speech backend answers 503 to a question for its health", "ready again"]


async def test_a_look_that_fails_in_the_gateway_is_not_the_last(
    backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    look_often(monkeypatch)
    async with serving(backend.url) as gateway:
        health = gateway.gateway.app[UPSTREAM_CLIENT].health_check
        with monkeypatch.context() as broken:
            broken.setattr(health, "problem", None)
            await until(lambda: "failed in the gateway" in caplog.text)
        looks = asked_for(backend, HEALTH)

        await until(lambda: asked_for(backend, HEALTH) > looks)


async def test_a_backend_that_lets_nobody_in_does_not_answer_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    look_often(monkeypatch)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):  # the only one that may wait
            async with serving(f"http://127.0.0.1:{full.getsockname()[1]}") as gateway:
                await until(lambda: problem(gateway, "timeout"), equals=1)


@pytest.mark.usefixtures("looking_often")
async def test_an_answer_of_nonsense_is_none(backend: ScriptedBackend) -> None:
    backend.pages[HEALTH] = "99 Nonsense"
    async with serving(backend.url) as gateway:
        await until(lambda: problem(gateway, "unhealthy"), equals=1)
