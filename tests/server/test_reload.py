"""The settings are read again: new requests have them, and those under way notice nothing."""

import asyncio
import os
import threading
from importlib.resources import files
from pathlib import Path

import pytest
from aiohttp import web

from speech_gateway.middlewares.slots import Slots
from speech_gateway.startup_error import StartupError
from speech_gateway.upstream.client import UPSTREAM_CLIENT
from tests.support.backend import (
    ScriptedBackend,
    hears,
    hold,
    hold_after,
    scripted_backend,
)
from tests.support.client import RawClient, Response, connect
from tests.support.gateway import Served, serving
from tests.support.looks import circuit, look_often, ready, until_back, until_gone
from tests.support.polling import until
from tests.support.process import children, nobody
from tests.support.realtime import COMPLETED, FAILED, TRANSCRIBING, realtime, silence, speech
from tests.support.wyoming import wyoming

KEY = "a-key-of-24-characters.."


async def text_of(gateway: Served, size: int) -> int:
    return (await gateway.speak(b"a" * size)).status


async def test_limits_are_the_new_ones(gateway: Served, backend: ScriptedBackend) -> None:
    assert await text_of(gateway, 20) == 200

    await gateway.reload(backend.url, "--max-tts-text-size=10")

    assert await text_of(gateway, 20) == 413


async def test_further_connections_are_bounded_anew(
    gateway: Served, backend: ScriptedBackend
) -> None:
    async with await gateway.connect() as first:
        await first.speak()

        await gateway.reload(backend.url, "--max-connections=1")

        async with await gateway.connect() as second:
            assert "too many connections" in (await second.response()).text


async def test_the_metrics_own_listener_is_bounded_anew_too(backend: ScriptedBackend) -> None:
    own = "--metrics-listen=127.0.0.1:0"
    async with serving(backend.url, own) as gateway:
        await gateway.reload(backend.url, own, "--client-timeout=0.2")

        port = int(gateway.gateway.metrics_url.rpartition(":")[2])
        async with asyncio.timeout(15), await connect(port) as idle:
            assert await idle.closed()


async def test_a_kept_connection_has_the_new_settings_too(
    gateway: Served, backend: ScriptedBackend
) -> None:
    async with await gateway.connect() as client:
        assert (await client.speak(b"a" * 20)).status == 200

        await gateway.reload(backend.url, "--max-tts-text-size=10")

        assert (await client.speak(b"a" * 20)).status == 413


async def test_calls_carry_the_new_token(gateway: Served, backend: ScriptedBackend) -> None:
    await gateway.reload(backend.url, "--token=another-token")

    await gateway.speak()

    assert (await backend.calls.get()).headers["authorization"] == "Bearer another-token"


async def test_calls_go_to_the_new_backend(gateway: Served) -> None:
    async with scripted_backend() as other:
        await gateway.reload(other.url)

        assert (await gateway.speak()).status == 200
        assert other.seen == 1


async def test_a_backend_that_is_gone_is_left_for_another(
    backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_often(monkeypatch)
    with nobody() as url:
        async with serving(url) as gateway:
            await until_gone(gateway)

            await gateway.reload(backend.url)

            await until_back(gateway)
            assert (await gateway.speak()).status == 200


async def test_a_backend_that_is_gone_stays_gone_over_a_reload(
    backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    with nobody() as url:
        async with serving(url) as gateway:
            look_often(monkeypatch)
            await until_gone(gateway)

            await gateway.reload(url, "--max-queue=1")

            assert circuit(gateway) == 1
            assert (await gateway.speak()).status == 503


async def test_what_becomes_of_a_former_backend_is_no_news(
    gateway: Served, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_often(monkeypatch)
    release = hold(backend)
    async with scripted_backend() as other, await gateway.connect() as client:
        client.request("POST", "/tts", body=b"Hello.")  # keeps the former settings in use
        await until(lambda: backend.seen, equals=1)
        await gateway.reload(other.url)
        await until(lambda: ready(gateway), equals=1)
        backend.healthy = False
        looks = len(backend.asked)

        await until(lambda: len(backend.asked) > looks + 3)

        assert ready(gateway) == 1
        release.set()
        assert (await client.response()).status == 200


async def test_calls_have_the_new_pipeline(
    gateway: Served, backend: ScriptedBackend, tmp_path: Path
) -> None:
    own = tmp_path / "tts.yml"
    packaged = files("speech_gateway.pipelines").joinpath("tts.yml").read_text()
    own.write_text(packaged.replace("speaker_id: 0", "speaker_id: 7"))

    await gateway.reload(backend.url, f"--tts-pipeline={own}")
    await gateway.speak()

    assert b"speaker_id: 7" in (await backend.calls.get()).config


async def test_keys_are_asked_for_as_the_new_settings_say(
    gateway: Served, backend: ScriptedBackend, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"radio {KEY}\n")

    await gateway.reload(backend.url, f"--client-keys={keys}")

    assert (await gateway.speak()).status == 401
    assert (await gateway.speak(Authorization=f"Bearer {KEY}")).status == 200


async def test_other_origins_are_allowed_as_the_new_settings_say(
    gateway: Served, backend: ScriptedBackend
) -> None:
    page = "https://app.example"
    assert (await gateway.speak(Origin=page)).status == 403

    await gateway.reload(backend.url, f"--allow-origin={page}")

    allowed = await gateway.speak(Origin=page)
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, page)


async def test_an_api_is_switched_on_and_off(gateway: Served, backend: ScriptedBackend) -> None:
    async def models() -> Response:
        return await gateway.ask("GET", "/v1/models")

    assert (await models()).status == 404

    await gateway.reload(backend.url, "--openai")
    assert (await models()).status == 200

    await gateway.reload(backend.url)
    assert (await models()).status == 404


async def test_voices_are_the_new_ones(backend: ScriptedBackend, tmp_path: Path) -> None:
    own = tmp_path / "voices.yml"
    own.write_text("voices:\n  one: {speaker_id: 3}\n")
    async with serving(backend.url, "--openai") as gateway:
        await gateway.reload(backend.url, "--openai", f"--voices={own}")

        voices = await gateway.ask("GET", "/v1/audio/voices")

    assert '"one"' in voices.text
    assert "alloy" not in voices.text


async def test_what_is_counted_goes_on(gateway: Served, backend: ScriptedBackend) -> None:
    await gateway.speak()
    await gateway.reload(backend.url, "--max-queue=1")
    await gateway.speak()

    await gateway.settled()
    assert gateway.count("tts", 200) == 2


# Who is under way.


async def test_a_stream_under_way_ends_whole_with_what_it_began_with(
    gateway: Served, backend: ScriptedBackend
) -> None:
    release = hold_after(backend, b"first", b"second")
    async with await gateway.connect() as client, scripted_backend() as other:
        client.request("POST", "/tts", body=b"Hello.")
        await client.head()
        assert await client.piece() == b"first"

        await gateway.reload(other.url, "--max-tts-text-size=1")
        release.set()

        assert await client.piece() == b"second"
        assert await client.piece() == b""


async def test_an_upload_under_way_goes_on(gateway: Served, backend: ScriptedBackend) -> None:
    backend.script = hears("whole")
    async with await gateway.connect() as client, scripted_backend() as other:
        client.begin_upload()
        client.chunk(b"OggS-1")
        await backend.calls.get()

        await gateway.reload(other.url, "--max-body-bytes=1")
        client.chunk(b"OggS-2")
        client.end_upload()

        assert '"whole"' in (await client.response()).text


async def test_a_realtime_socket_goes_on(backend: ScriptedBackend) -> None:
    backend.script = hears("whole")
    async with (
        serving(backend.url, "--openai") as gateway,
        realtime(gateway, TRANSCRIBING) as client,
        scripted_backend() as other,
    ):
        await gateway.reload(other.url)

        await client.append(speech() + silence(1.5))

        assert (await client.event(COMPLETED))["transcript"] == "whole"
        assert gateway.sample("gateway_live_sockets", endpoint="stt") == 1


async def test_places_for_sockets_are_counted_over_a_reload(backend: ScriptedBackend) -> None:
    only_one = ("--openai", "--max-sockets=1")
    async with (
        serving(backend.url, *only_one) as gateway,
        realtime(gateway, TRANSCRIBING),
    ):
        await gateway.reload(backend.url, *only_one)

        assert (await handshake(gateway)).status == 503


async def handshake(gateway: Served) -> Response:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    return await gateway.ask("GET", TRANSCRIBING, headers)


async def test_a_wyoming_connection_goes_on_and_the_next_is_new(backend: ScriptedBackend) -> None:
    backend.script = hears("whole")
    options = ("--wyoming-listen=127.0.0.1:0",)
    async with (
        serving(backend.url, *options) as gateway,
        wyoming(gateway) as client,
        scripted_backend(hears("other")) as other,
    ):
        assert await client.transcribe(speech()) == "whole"

        await gateway.reload(other.url, *options)

        assert await client.transcribe(speech()) == "whole"
        async with wyoming(gateway) as later:
            assert await later.transcribe(speech()) == "other"


async def test_new_slots_go_to_those_who_wait(backend: ScriptedBackend) -> None:
    release = hold(backend)
    async with serving(backend.url, "--max-concurrency=1") as gateway:
        clients = [await begun(gateway) for _ in range(3)]
        await until(lambda: gateway.waiting("tts"), equals=2)

        await gateway.reload(backend.url, "--max-concurrency=3")

        assert await until(lambda: backend.seen, equals=3)
        assert gateway.sample("gateway_slots") == 3
        release.set()
        await all_are_served(clients)


async def test_slots_that_are_taken_away_are_those_that_come_free(
    backend: ScriptedBackend,
) -> None:
    release = hold(backend)
    async with serving(backend.url, "--max-concurrency=3") as gateway:
        under_way = [await begun(gateway) for _ in range(3)]
        await until(lambda: backend.seen, equals=3)
        release_later = hold(backend)

        await gateway.reload(backend.url, "--max-concurrency=1")
        later = [await begun(gateway) for _ in range(2)]
        await until(lambda: gateway.waiting("tts"), equals=2)
        release.set()
        await all_are_served(under_way)

        await until(lambda: gateway.inflight("tts"), equals=2)
        assert gateway.waiting("tts") == 1
        release_later.set()
        await all_are_served(later)


async def all_are_served(clients: list[RawClient]) -> None:
    for client in clients:
        assert (await client.response()).status == 200
        client.leave()


async def begun(gateway: Served) -> RawClient:
    client = await gateway.connect()
    client.request("POST", "/tts", body=b"Hello.")
    return client


# What cannot be had.


async def test_what_needs_a_restart_is_told_and_all_else_is_taken(
    gateway: Served, backend: ScriptedBackend
) -> None:
    before = gateway.gateway.settings

    waiting = await gateway.reload(
        backend.url, "--listen=127.0.0.1:1", "--metrics-listen=127.0.0.1:2", "--max-tts-text-size=3"
    )

    assert waiting == ["listen", "metrics-listen"]
    assert gateway.gateway.settings.listen == before.listen
    assert await text_of(gateway, 4) == 413


async def test_the_bundled_engine_is_not_exchanged_while_it_serves(
    gateway: Served, backend: ScriptedBackend
) -> None:
    assert await gateway.reload("embedded") == ["skit-url"]

    assert (await gateway.speak()).status == 200


async def test_a_plugin_that_cannot_be_set_up_changes_nothing(
    gateway: Served, backend: ScriptedBackend
) -> None:
    broken = "--plugin=tests.server.test_reload:Unsettable"

    with pytest.raises(StartupError):
        await gateway.reload(backend.url, broken, "--max-tts-text-size=3")
    with pytest.raises(OSError, match="no such thing"):
        await gateway.reload(backend.url, f"{broken}AtStart", "--max-tts-text-size=3")

    assert await text_of(gateway, 4) == 200


async def test_a_start_that_fails_leaves_nothing_behind(backend: ScriptedBackend) -> None:
    async with serving(backend.url, "--openai") as gateway:
        before = set(children(os.getpid()))

        with pytest.raises(OSError, match="no such thing"):
            await gateway.reload(
                backend.url, "--openai", "--plugin=tests.server.test_reload:UnsettableAtStart"
            )

        assert set(children(os.getpid())) <= before


async def test_the_backend_of_a_reload_that_fails_is_no_news(
    gateway: Served, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_often(monkeypatch)
    await until(lambda: ready(gateway), equals=1)
    gone_is_seen = "--plugin=tests.server.test_reload:UnsettableOnceTheBackendIsGone"
    with nobody() as url:
        with pytest.raises(OSError, match="no such thing"):
            await gateway.reload(url, gone_is_seen)

    assert (ready(gateway), circuit(gateway)) == (1, 0)
    assert (await gateway.speak()).status == 200


class UnsettableOnceTheBackendIsGone:
    async def setup(self, app: web.Application) -> None:
        app.on_startup.append(self.start)

    async def start(self, app: web.Application) -> None:
        await until(lambda: app[UPSTREAM_CLIENT].state.gone)
        raise OSError("no such thing")


@pytest.mark.parametrize("broken", ["Unsettable", "UnsettableAtStart"])
async def test_a_reload_that_fails_leaves_no_exporter_of_spans(
    gateway: Served, backend: ScriptedBackend, broken: str
) -> None:
    before = threading.active_count()

    for _ in range(3):
        with pytest.raises((StartupError, OSError)):
            await gateway.reload(
                backend.url,
                "--plugin=speech_gateway.tracing:Tracing",
                f"--plugin=tests.server.test_reload:{broken}",
            )

    await until(threading.active_count, holds=lambda now: now <= before)


class Unsettable:
    async def setup(self, _app: web.Application) -> None:
        raise OSError("no such thing")


class UnsettableAtStart:
    async def setup(self, app: web.Application) -> None:
        app.on_startup.append(self.start)

    async def start(self, _app: web.Application) -> None:
        raise OSError("no such thing")


# What is left of the old ones.


async def test_what_was_replaced_is_cleaned_up_when_its_last_user_has_left(
    backend: ScriptedBackend,
) -> None:
    others = set(children(os.getpid()))
    async with serving(backend.url, "--openai") as gateway:
        before = set(children(os.getpid())) - others
        async with realtime(gateway, TRANSCRIBING) as client:
            await client.append(speech() + silence(1.5))
            await client.event(COMPLETED, FAILED)
            await gateway.reload(backend.url, "--openai")
            assert before < set(children(os.getpid()))

        await until(lambda: not before & set(children(os.getpid())))


async def test_many_reloads_leave_no_file_open(gateway: Served, backend: ScriptedBackend) -> None:
    others = set(children(os.getpid()))

    async def reload() -> None:
        await gateway.reload(backend.url, "--openai")
        assert (await gateway.speak()).status == 200

    await reload()
    await reload()
    before = await until(open_files, holds=lambda _: len(set(children(os.getpid())) - others) == 1)

    for _ in range(5):
        await reload()

    await until(open_files, holds=lambda now: now <= before)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_of_fewer_slots_none_is_free_before_enough_were_given_back() -> None:
    slots = Slots()
    slots.resize(2, 2)
    assert (slots.take("one"), slots.take("another")) == (True, True)

    slots.resize(1, 1)
    slots.give_back("one")
    assert not slots.take("a third")

    slots.give_back("another")
    assert slots.take("a third")
