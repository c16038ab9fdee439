"""Clients that leave, stall or are too many; a backend that fails; a gateway that stops."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart

from speech_gateway.api.wyoming import wyoming_connection
from speech_gateway.config import settings
from speech_gateway.server.gateway import running
from speech_gateway.tasks import cancel_and_wait
from tests.support.backend import ScriptedBackend, answer, hold, says
from tests.support.client import RawClient, connect
from tests.support.gateway import Served, serving
from tests.support.media_workers import busy_workers
from tests.support.polling import until
from tests.support.realtime import speech
from tests.support.speaking_backends import HeldSpeech, speak_at_once
from tests.support.speech import FOX
from tests.support.wyoming import AUDIO, WyomingClient, connect_wyoming, message, wyoming

from .conftest import ON, silent, speak_and_hear

HOW: dict[str, Callable[[RawClient], None]] = {
    "with a FIN": lambda client: client.leave(),
    "with a reset": lambda client: client.leave(reset=True),
    "by half": lambda client: client.writer.write_eof(),
}
SPEAK = message("synthesize", text=FOX)
BEGIN = message("synthesize-start") + message("synthesize-chunk", text=f"{FOX} And")
SAY = message("audio-chunk", speech()[:50_000], **AUDIO)
STATES = {
    "a text": (SPEAK, "tts"),
    "a text in parts": (BEGIN, "tts"),
    "a text, and half a message": (SPEAK + b'{"type": "pi', "tts"),
    "a text, and more than is read ahead": (SPEAK * 2 + SAY * 8, "tts"),
    "audio": (SAY, "stt"),
    "audio, and half a chunk": (SAY + SAY[: len(SAY) // 2], "stt"),
    "audio, and its end": (SAY + message("audio-stop"), "stt"),
}


@asynccontextmanager
async def sending(client: WyomingClient, data: bytes) -> AsyncIterator[None]:
    """Send data again and again, a little at a time, until the block ends or the connection."""

    async def send() -> None:
        while True:
            client.raw.write(data)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(send())
    try:
        yield
    finally:
        await cancel_and_wait(task)


def connected(gateway: Served) -> int:
    assert gateway.gateway.wyoming is not None
    return gateway.gateway.wyoming.connections


@pytest.mark.parametrize("leave", HOW.values(), ids=HOW)
@pytest.mark.parametrize(("sent", "endpoint"), STATES.values(), ids=STATES)
async def test_a_client_that_leaves_frees_its_slot_and_the_backend(
    gateway: Served,
    backend: ScriptedBackend,
    sent: bytes,
    endpoint: str,
    leave: Callable[[RawClient], None],
) -> None:
    backend.script = silent
    async with (await connect_wyoming(gateway)).raw as client:
        client.write(sent)
        call = await backend.calls.get()

        leave(client)

        await call.closed.wait()
        await gateway.settled()
        await until(lambda: connected(gateway), equals=0)
        assert gateway.count(endpoint, 499, "other") == 1


@pytest.mark.parametrize("leave", HOW.values(), ids=HOW)
@pytest.mark.parametrize(("sent", "endpoint"), STATES.values(), ids=STATES)
async def test_a_client_that_leaves_while_it_waits_for_a_slot_is_forgotten(
    backend: ScriptedBackend, sent: bytes, endpoint: str, leave: Callable[[RawClient], None]
) -> None:
    async with serving(backend.url, *ON, "--max-concurrency=1") as gateway:
        release = hold(backend)
        speaking = asyncio.create_task(gateway.speak())
        await until(lambda: backend.seen, equals=1)
        async with (await connect_wyoming(gateway)).raw as client:
            client.write(sent)
            await until(lambda: gateway.waiting(endpoint), equals=1)

            leave(client)

            await until(lambda: gateway.waiting(endpoint), equals=0)
            await until(lambda: connected(gateway), equals=0)
        release.set()
        await speaking
        assert backend.seen == 1


@pytest.mark.parametrize("leave", HOW.values(), ids=HOW)
async def test_a_client_that_leaves_while_it_is_spoken_to_ends_the_call(
    gateway: Served,
    client: WyomingClient,
    backend: ScriptedBackend,
    leave: Callable[[RawClient], None],
) -> None:
    backend.script = held = HeldSpeech()
    await client.send(Synthesize(text=FOX))
    await client.event("audio-chunk")

    leave(client.raw)

    await held.closed.wait()
    await gateway.settled()
    assert gateway.count("tts", 499, "other") == 1


async def test_a_client_that_takes_nothing_is_broken_off(backend: ScriptedBackend) -> None:
    backend.script = speak_at_once
    async with serving(backend.url, *ON, "--client-timeout=1s") as gateway:
        raw = await connect(gateway.wyoming_port, receive_buffer=4096)
        async with raw:
            raw.reader._transport.pause_reading()  # type: ignore[attr-defined]
            raw.write(message("synthesize", text="Good morning. " * 1000))

            await until(lambda: gateway.count("tts", 499, "other"), 20, equals=1)
            await until(lambda: connected(gateway), 20, equals=0)
            await gateway.settled()


async def test_a_client_that_falls_silent_in_its_audio_is_told(backend: ScriptedBackend) -> None:
    backend.script = silent
    async with serving(backend.url, *ON, "--client-timeout=0.5s") as gateway:
        async with wyoming(gateway) as client:
            client.raw.write(SAY)

            assert await client.error() == ("408", "nothing more came within 0.5 s")
            await until(lambda: gateway.count("stt", 408, "other"), equals=1)
            await gateway.settled()


@pytest.mark.parametrize("filler", [message("ping", text="x"), message("audio-chunk", **AUDIO)])
async def test_what_is_no_audio_does_not_keep_a_slot(
    backend: ScriptedBackend, filler: bytes
) -> None:
    backend.script = silent
    async with serving(backend.url, *ON, "--client-timeout=0.5s") as gateway:
        async with wyoming(gateway) as client:
            client.raw.write(SAY)
            async with sending(client, filler):
                assert (await client.event("error")).data["code"] == "408"
            await gateway.settled()


@pytest.mark.parametrize("sent", [b'{"type": "ping"', b'{"type": "ping", "data_length": 9}\n{"'])
async def test_a_message_that_does_not_come_to_its_end_is_given_up(
    backend: ScriptedBackend, sent: bytes
) -> None:
    async with serving(backend.url, *ON, "--client-timeout=0.5s") as gateway:
        async with wyoming(gateway) as client:
            client.raw.write(sent)

            assert (await client.error())[0] == "408"


async def test_a_message_that_comes_ever_so_slowly_is_given_up(backend: ScriptedBackend) -> None:
    async with serving(backend.url, *ON, "--client-timeout=0.5s") as gateway:
        async with wyoming(gateway) as client:
            async with sending(client, b"{"):
                assert (await client.event("error")).data["code"] == "408"


async def test_a_text_whose_next_part_does_not_come_is_given_up(
    backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wyoming_connection, "TEXT_PAUSE", 0.5)
    async with serving(backend.url, *ON, "--client-timeout=0.2s") as gateway:
        async with wyoming(gateway) as client:
            await client.send(SynthesizeStart())

            assert await client.error() == ("408", "nothing more came within 0.5 s")


async def test_who_writes_a_text_may_think_longer_than_clients_may_be_silent(
    backend: ScriptedBackend,
) -> None:
    backend.script = speak_at_once
    async with serving(backend.url, *ON, "--client-timeout=0.2s") as gateway:
        async with wyoming(gateway) as client, wyoming(gateway) as idle:
            await client.send(SynthesizeStart())
            assert await idle.closed() == []
            await client.send(SynthesizeChunk(text=FOX))
            await client.send("synthesize-stop")

            await client.event("synthesize-stopped")


async def test_an_idle_connection_is_closed(backend: ScriptedBackend) -> None:
    async with serving(backend.url, *ON, "--client-timeout=0.3s") as gateway:
        async with wyoming(gateway) as client:
            await client.send("ping", text="x")

            assert await client.closed() == ["pong"]
            await until(lambda: connected(gateway), equals=0)


async def test_a_client_that_waits_for_a_slow_backend_is_not_idle(
    backend: ScriptedBackend,
) -> None:
    async with serving(backend.url, *ON, "--client-timeout=0.2s") as gateway:
        backend.script = held = HeldSpeech()
        async with wyoming(gateway) as client:
            await client.send(Synthesize(text=FOX))
            await client.event("audio-chunk")
            for _ in range(3):
                async with wyoming(gateway) as idle:
                    await idle.closed()
            held.go_on.set()

            await client.event("audio-stop")


async def test_more_clients_than_are_allowed_are_told_so(backend: ScriptedBackend) -> None:
    async with serving(backend.url, *ON, "--max-connections=2") as gateway:
        async with wyoming(gateway) as one, wyoming(gateway) as two:
            for client in (one, two):
                await client.send("ping", text="x")
                await client.event("pong")
            async with wyoming(gateway) as three:
                assert (await three.error())[0] == "503"
            one.raw.leave()
            await until(lambda: connected(gateway), equals=1)

            async with wyoming(gateway) as four:
                await four.send("ping", text="x")
                await four.event("pong")


@pytest.mark.parametrize(("sent", "endpoint"), [(SPEAK, "tts"), (SAY, "stt")])
async def test_a_full_queue_is_told(backend: ScriptedBackend, sent: bytes, endpoint: str) -> None:
    backend.script = silent
    async with serving(backend.url, *ON, "--max-concurrency=1", "--max-queue=0") as gateway:
        async with wyoming(gateway) as busy, wyoming(gateway) as client:
            busy.raw.write(sent)
            await backend.calls.get()
            client.raw.write(sent)

            code, text = await client.error()
            assert (code, "busy" in text) == ("503", True)
            assert gateway.count(endpoint, 503, "other") == 1


async def test_shares_are_counted_by_address(backend: ScriptedBackend) -> None:
    backend.script = silent
    flags = ("--max-concurrency=2", "--max-queue=2", "--client-share=0.5")
    async with serving(backend.url, *ON, *flags) as gateway:
        clients = [await connect_wyoming(gateway) for _ in range(3)]
        for client in clients[:2]:
            client.raw.write(SPEAK)
        await until(lambda: (gateway.waiting("tts"), backend.seen), equals=(1, 1))
        clients[2].raw.write(SPEAK)

        assert (await clients[2].error())[0] == "429"
        for client in clients:
            client.raw.leave()


async def test_a_slot_is_free_again_behind_each_refusal(backend: ScriptedBackend) -> None:
    backend.script = speak_and_hear
    async with serving(backend.url, *ON, "--max-concurrency=1", "--max-queue=0") as gateway:
        for sent in (SAY + b"\n", SPEAK + b"\n", SAY + message("synthesize", text=FOX)):
            async with wyoming(gateway) as client:
                client.raw.write(sent)
                await client.event("error")
        await gateway.settled()

        assert (await gateway.speak()).status == 200


async def test_what_is_asked_for_at_a_shutdown_is_finished_and_others_are_left(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = held = HeldSpeech()
    async with wyoming(gateway) as idle, wyoming(gateway) as client:
        await client.send(Synthesize(text=FOX))
        await client.event("audio-chunk")

        await gateway.gateway.begin_shutdown()
        draining = asyncio.create_task(gateway.gateway.drain(20, asyncio.Event()))
        assert await idle.closed() == []
        assert "requests under way: 1" in gateway.gateway.status()
        with pytest.raises(ConnectionRefusedError):
            await connect_wyoming(gateway)
        held.go_on.set()
        await client.event("audio-stop")
        assert await client.closed() == []
        await draining


async def test_what_waits_behind_it_at_a_shutdown_is_told(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = held = HeldSpeech()
    async with wyoming(gateway) as client:
        client.raw.write(SPEAK * 2)
        await client.event("audio-chunk")
        await gateway.gateway.begin_shutdown()
        held.go_on.set()
        await client.event("audio-stop")

        assert (await client.error())[0] == "503"


async def test_a_client_that_takes_nothing_does_not_delay_the_end(
    backend: ScriptedBackend, tmp_path: Path
) -> None:
    path = tmp_path / "wyoming.sock"
    flags = ("--wyoming-listen", f"unix:{path}", "--client-timeout=0.5s")
    async with serving(backend.url, *flags) as gateway:
        reader, writer = await asyncio.open_unix_connection(str(path))
        async with RawClient(reader, writer) as raw:
            raw.reader._transport.pause_reading()  # type: ignore[attr-defined]
            raw.write(message("describe") * 30)  # some of the answers stay with the gateway

            await until(lambda: connected(gateway), 20, equals=0)


async def test_no_failure_is_told_as_a_fault_of_the_gateways(
    gateway: Served, backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    for script in (silent, says(then="resets"), says(answer(b"<html>", content_type="text/html"))):
        backend.script = script
        async with wyoming(gateway) as client:
            client.raw.write(SPEAK)
            await backend.calls.get()
            if script is not silent:
                await client.error()
    await gateway.settled()

    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_client_that_reads_when_all_was_said_is_told_what_failed(
    backend: ScriptedBackend,
) -> None:
    """As Home Assistant does."""
    backend.script = says(then="resets")
    async with serving(backend.url, *ON, "--max-concurrency=1", "--max-queue=0") as gateway:
        hold(backend)
        speaking = asyncio.create_task(gateway.speak())
        await until(lambda: backend.seen, equals=1)
        async with wyoming(gateway) as client:
            for _ in range(20):
                await client.say(speech())
                await asyncio.sleep(0)
            await client.send("audio-stop")

            assert (await client.error())[0] == "503"
        speaking.cancel()


async def test_a_refused_client_that_goes_on_sending_does_not_delay_the_end(
    gateway: Served,
) -> None:
    async with wyoming(gateway) as client:
        client.raw.write(b"\n")
        await client.event("error")
        async with sending(client, b"{"):
            await gateway.gateway.begin_shutdown()
            async with asyncio.timeout(5):
                await gateway.gateway.drain(60, asyncio.Event())


async def test_what_is_not_finished_in_time_is_told_at_a_shutdown(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = silent
    async with wyoming(gateway) as client:
        client.raw.write(SAY)
        await backend.calls.get()
        await gateway.gateway.begin_shutdown()
        draining = asyncio.create_task(gateway.gateway.drain(0.1, asyncio.Event()))

        code, text = await client.error()
        assert (code, "shutting down" in text) == ("503", True)
        await draining
    assert gateway.count("stt", 503, "other") == 1


async def test_a_gateway_that_fails_to_start_leaves_nothing_behind(
    backend: ScriptedBackend,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        argv = ["--listen=127.0.0.1:0", "--skit-url", backend.url, "--wyoming-listen", where]
        loaded, _ = settings.load(argv, {})

        with pytest.raises(Exception, match=f"cannot listen on {where}"):
            async with running(loaded):
                raise AssertionError("it serves")


async def test_it_listens_on_this_machine_alone_where_no_host_is_told(
    backend: ScriptedBackend,
) -> None:
    async with serving(backend.url, "--wyoming-listen", ":0") as gateway:
        assert gateway.gateway.wyoming is not None
        assert gateway.gateway.wyoming.place.startswith("127.0.0.1:")


async def test_it_listens_on_a_unix_socket(backend: ScriptedBackend, tmp_path: Path) -> None:
    path = tmp_path / "wyoming.sock"
    async with serving(backend.url, "--wyoming-listen", f"unix:{path}"):
        reader, writer = await asyncio.open_unix_connection(str(path))
        async with RawClient(reader, writer) as raw:
            client = WyomingClient(raw)
            await client.send("describe")
            assert (await client.event()).type == "info"
    assert not path.exists()


async def test_keys_that_do_not_count_here_are_warned_of(
    backend: ScriptedBackend, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("anna secret-of-anna-0123456789\n")
    flags = ("--client-keys", str(keys))
    async with serving(backend.url, *ON, *flags):
        assert "needs no key" not in caplog.text
    async with serving(backend.url, "--wyoming-listen", "0.0.0.0:0", *flags):
        assert "needs no key there" in caplog.text


async def test_a_worker_that_is_killed_is_one_failure(
    gateway: Served, client: WyomingClient, backend: ScriptedBackend
) -> None:
    backend.script = silent
    client.raw.write(SAY)
    await backend.calls.get()
    (worker,) = await until(busy_workers)
    os.kill(worker, signal.SIGKILL)

    assert (await client.error(timeout=20))[0] == "500"
    await until(lambda: gateway.count("stt", 500, "other"), equals=1)
