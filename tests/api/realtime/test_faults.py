"""Faults on live connections: what the client gets, what is freed, and what is counted."""

import asyncio
import gc
import os
import signal
import time

import aiohttp
import pytest

from speech_gateway.api.audio_buffer import AudioBuffer
from speech_gateway.api.realtime.services import SERVICES
from speech_gateway.api.realtime.session_config import SessionConfig
from speech_gateway.api.realtime.utterance import Utterance
from speech_gateway.media.live.live_audio import LiveConnection
from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    ScriptedBackend,
    chunk,
    hears,
    hold,
    transcript,
)
from tests.support.client import connect
from tests.support.gateway import Served, serving
from tests.support.polling import until
from tests.support.program import serving_program
from tests.support.realtime import (
    COMMITTED,
    COMPLETED,
    FAILED,
    PATH,
    STARTED,
    RealtimeClient,
    realtime,
    silence,
    speech,
)

from .conftest import HEARD

SAID = silence(0.5) + speech() + silence(1.0)
SPOKEN = len(speech()) / 48_000
HELD = (SessionConfig, Utterance, AudioBuffer, LiveConnection)
"""What a session holds that may be large."""


def live_sockets(gateway: Served) -> float:
    return gateway.sample("gateway_live_sockets", endpoint="stt")


def live_process_of(gateway: Served) -> int:
    """Return the process that hears the gateway's live connections."""
    process = gateway.gateway.app[SERVICES].live_audio._process
    assert process is not None
    return process.pid


async def test_a_client_that_vanishes_in_an_utterance_frees_its_slot(
    gateway: Served, client: RealtimeClient, backend: ScriptedBackend
) -> None:
    await client.append(silence(0.5) + speech())
    call = await backend.calls.get()
    client.vanish()

    await call.closed.wait()
    await gateway.settled()
    await until(lambda: live_sockets(gateway), equals=0)
    assert gateway.count("stt", 499, "GET") == 1


async def test_a_client_that_says_goodbye_and_goes_at_once_is_logged_as_one_that_did(
    gateway: Served, client: RealtimeClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    transport = client.ws._writer.transport
    assert transport is not None
    transport.write(b"\x88\x82\0\0\0\0\x03\xe8")
    transport.write_eof()

    await until(lambda: live_sockets(gateway), equals=0)
    await until(lambda: "ended with 101" in caplog.text)


async def test_a_client_that_closes_with_words_under_way_is_counted_as_one_that_left(
    gateway: Served, client: RealtimeClient, backend: ScriptedBackend
) -> None:
    await client.append(silence(0.5) + speech())
    await backend.calls.get()
    await client.ws.close()

    await gateway.settled()
    assert gateway.count("stt", 499, "GET") == 1


async def test_a_backend_that_dies_in_an_utterance_fails_it_when_it_is_over(
    gateway: Served, client: RealtimeClient, backend: ScriptedBackend
) -> None:
    async def dies(call: BackendCall) -> None:
        await call.media()
        call.writer.transport.abort()

    backend.script = dies
    await client.append(silence(0.5) + speech())
    await until(lambda: gateway.count("stt", 502, "GET"), equals=1)
    assert FAILED not in client.kinds()
    await client.append(silence(1.0))

    failed = await client.event(FAILED)
    assert COMMITTED in client.kinds()
    assert "speech backend" in failed["error"]["message"]
    backend.script = hears(HEARD)
    await client.append(SAID)
    assert (await client.event(COMPLETED))["transcript"] == HEARD


async def test_a_backend_that_is_silent_fails_the_utterance(backend: ScriptedBackend) -> None:
    hold(backend)
    async with (
        serving(backend.url, "--openai", "--upstream-timeout=0.2") as gateway,
        realtime(gateway) as client,
    ):
        await client.append(SAID)

        await client.event(FAILED)
        assert gateway.count("stt", 504, "GET") == 1


async def test_a_backend_that_answers_html_fails_the_utterance(
    client: RealtimeClient, backend: ScriptedBackend
) -> None:
    async def html(call: BackendCall) -> None:
        await call.whole_media()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n"
        await call.write(head + b"<html>")

    backend.script = html
    await client.append(SAID)

    assert "speech backend" in (await client.event(FAILED))["error"]["message"]


async def test_a_frame_of_10_mb_closes_the_connection_and_says_what_it_may_have(
    gateway: Served, client: RealtimeClient
) -> None:
    await client.ws.send_str("x" * 10_000_000)

    assert await client.closed() == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    assert "1048576 bytes" in client.events[-1]["error"]["message"]
    await until(lambda: live_sockets(gateway), equals=0)


async def test_a_frame_of_just_the_limit_is_taken(client: RealtimeClient) -> None:
    event = '{"type": "no.such.event", "x": "%s"}'
    await client.ws.send_str(event % ("x" * (1024 * 1024 - len(event) + 2)))

    assert (await client.event("error"))["error"]["code"] == "unknown_event"


async def test_many_frames_of_one_client_let_others_have_their_turn(
    backend: ScriptedBackend,
) -> None:
    flood = b"\x81\x81\0\0\0\0x" * 20_000
    async with serving_program("--skit-url", backend.url, "--openai") as program:
        async with realtime(program) as client, await connect(program.port) as other:
            transport = client.ws._writer.transport
            assert transport is not None
            await other.ask("GET", "/healthz")
            began = time.perf_counter()
            transport.write(flood)
            await client.event("error")
            asked = time.perf_counter()
            await other.ask("GET", "/healthz")
            answered = time.perf_counter()
            for _ in range(20_000 - 1):
                await client.ws.receive()
            ended = time.perf_counter()

    assert answered - asked < (ended - began) / 4


async def test_what_a_session_held_is_freed_without_the_garbage_collector(
    gateway: Served,
) -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            async with realtime(gateway) as client:
                await client.update(transcription={"model": "mine"})
                await client.append(SAID)
                await client.event(COMPLETED)
        await until(lambda: live_sockets(gateway), equals=0)
        held = [one for one in gc.get_objects() if isinstance(one, HELD)]
    finally:
        gc.enable()

    assert [one for one in held if getattr(one, "model", "mine") == "mine"] == []


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x83\x80\0\0\0\0", aiohttp.WSCloseCode.PROTOCOL_ERROR),
        (b"\xf1\x80\0\0\0\0", aiohttp.WSCloseCode.PROTOCOL_ERROR),
    ],
    ids=["an opcode that there is not", "bits that mean nothing"],
)
async def test_a_malformed_frame_closes_the_connection(
    gateway: Served, client: RealtimeClient, frame: bytes, code: int
) -> None:
    transport = client.ws._writer.transport
    assert transport is not None
    transport.write(frame)

    assert await client.closed() == code
    assert "RFC 6455" in client.events[-1]["error"]["message"]
    await until(lambda: live_sockets(gateway), equals=0)


async def test_a_client_that_answers_no_ping_is_broken_off(backend: ScriptedBackend) -> None:
    async with (
        serving(backend.url, "--openai", "--client-timeout=0.2") as gateway,
        realtime(gateway, autoping=False) as client,
    ):
        async with asyncio.timeout(5):
            while not client.ws.closed:
                await client.ws.receive()

        await until(lambda: live_sockets(gateway), equals=0)


async def test_a_client_that_answers_pings_stays_however_long_it_is_silent(
    backend: ScriptedBackend,
) -> None:
    pings = 0
    async with (
        serving(backend.url, "--openai", "--client-timeout=0.2") as gateway,
        realtime(gateway, autoping=False) as client,
    ):
        while pings < 10:
            message = await client.ws.receive(timeout=5)
            assert message.type is aiohttp.WSMsgType.PING
            await client.ws.pong(message.data)
            pings += 1

        assert live_sockets(gateway) == 1


async def test_an_utterance_that_stops_coming_is_ended_so_that_its_slot_is_free(
    backend: ScriptedBackend,
) -> None:
    backend.script = hears(HEARD)
    async with (
        serving(backend.url, "--openai", "--client-timeout=0.5") as gateway,
        realtime(gateway) as client,
    ):
        await client.append(silence(0.5) + speech())
        await client.event(STARTED)

        assert (await client.event(COMPLETED))["transcript"] == HEARD
        assert gateway.count("stt", 200, "GET") == 1


async def test_what_waits_for_the_backend_is_no_silence_of_the_clients(
    backend: ScriptedBackend,
) -> None:
    release = asyncio.Event()

    async def stalls(call: BackendCall) -> None:
        await call.media()
        await release.wait()
        await call.whole_media()
        await call.write(OK_CHUNKED + chunk(transcript(HEARD)) + LAST_CHUNK)

    backend.script = stalls
    async with (
        serving(backend.url, "--openai", "--client-timeout=0.5") as gateway,
        realtime(gateway) as client,
    ):
        await client.update(turn_detection=None)
        appending = asyncio.create_task(client.append(speech() * (int(100 / SPOKEN))))
        await asyncio.wait({appending}, timeout=3)
        release.set()
        await appending
        await client.commit()

        await client.event(COMPLETED, timeout=20)
        assert client.kinds().count(COMMITTED) == 1


async def test_who_sends_far_more_slowly_than_one_speaks_does_not_keep_the_slot(
    backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_gateway.server.upload_rate.WINDOW", 0.3)
    backend.script = hears(HEARD)
    async with serving(backend.url, "--openai") as gateway, realtime(gateway) as client:
        await client.update(turn_detection=None)
        await client.append(silence(0.3) + speech())

        async def drip() -> None:
            while True:
                await client.append(silence(0.001))
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        assert (await client.event(COMPLETED))["transcript"] == HEARD
        dripping.cancel()


async def test_a_client_that_takes_nothing_is_broken_off(backend: ScriptedBackend) -> None:
    async def floods(call: BackendCall) -> None:
        await call.write(OK_CHUNKED)
        while True:
            await call.write(chunk(transcript("word " * 10_000)))

    backend.script = floods
    async with (
        serving(backend.url, "--openai", "--client-timeout=0.5") as gateway,
        realtime(gateway) as client,
    ):
        await client.append(silence(0.5) + speech())

        await until(lambda: live_sockets(gateway), equals=0, timeout=20)
        await gateway.settled()
        assert gateway.count("stt", 499, "GET") == 1


async def test_a_client_that_pings_and_takes_no_pong_is_broken_off(
    backend: ScriptedBackend,
) -> None:
    ping = b"\x89\xfd\0\0\0\0" + bytes(125)
    async with (
        serving(backend.url, "--openai", "--client-timeout=0.5") as gateway,
        realtime(gateway) as client,
    ):
        transport = client.ws._writer.transport
        assert transport is not None
        transport.pause_reading()
        transport.write(ping * 200_000)

        await until(lambda: live_sockets(gateway), equals=0, timeout=20)


async def test_no_more_sockets_are_open_than_may_be(backend: ScriptedBackend) -> None:
    async with (
        serving(backend.url, "--openai", "--max-sockets=1") as gateway,
        realtime(gateway) as first,
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with realtime(gateway):
                pass
        await first.ws.close()
        await until(lambda: live_sockets(gateway), equals=0)
        async with realtime(gateway):
            pass

    assert refusal.value.status == 503
    assert refusal.value.headers is not None
    assert refusal.value.headers["Retry-After"]


async def test_a_client_has_at_most_its_share_of_the_sockets(backend: ScriptedBackend) -> None:
    async with (
        serving(backend.url, "--openai", "--max-sockets=2", "--client-share=0.5") as gateway,
        realtime(gateway),
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with realtime(gateway):
                pass

    assert refusal.value.status == 429


async def test_a_session_ends_when_it_has_lasted_as_long_as_it_may(
    backend: ScriptedBackend,
) -> None:
    async with (
        serving(backend.url, "--openai", "--max-session=0.3") as gateway,
        realtime(gateway) as client,
    ):
        code = await client.closed()

    assert code == aiohttp.WSCloseCode.GOING_AWAY
    assert client.kinds() == ["session.created"]


async def test_when_live_audio_dies_the_client_is_told_and_the_next_one_is_heard(
    gateway: Served, client: RealtimeClient
) -> None:
    await client.append(silence(0.5) + speech())
    await client.event(STARTED)
    os.kill(live_process_of(gateway), signal.SIGKILL)

    code = await client.closed()
    assert code == aiohttp.WSCloseCode.INTERNAL_ERROR
    assert client.events[-1]["error"]["type"] == "server_error"
    await gateway.settled()
    assert gateway.count("stt", 500, "GET") == 1
    async with asyncio.timeout(10):
        while not await is_heard(gateway):
            pass


async def is_heard(gateway: Served) -> bool:
    async with realtime(gateway) as client:
        await client.append(SAID)
        heard = await client.event(COMPLETED, "error")
        return bool(heard["type"] == COMPLETED)


async def test_at_shutdown_what_is_being_said_is_finished_and_the_socket_closed(
    gateway: Served, client: RealtimeClient
) -> None:
    await client.append(silence(0.5) + speech())
    await client.event(STARTED)
    await gateway.gateway.begin_shutdown()
    stopping = asyncio.create_task(gateway.gateway.drain(5.0, asyncio.Event()))
    await client.append(silence(1.0))

    assert (await client.event(COMPLETED))["transcript"] == HEARD
    assert await client.closed() == aiohttp.WSCloseCode.GOING_AWAY
    await stopping


async def test_at_shutdown_a_silent_socket_is_closed_and_a_new_one_refused(
    gateway: Served, client: RealtimeClient
) -> None:
    async with aiohttp.ClientSession() as other:
        kept = await other.get(gateway.url + "/healthz")
        await kept.read()
        await gateway.gateway.begin_shutdown()

        assert await client.closed() == aiohttp.WSCloseCode.GOING_AWAY
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await other.ws_connect(gateway.url + PATH)

    assert refusal.value.status == 503


async def test_at_shutdown_what_takes_too_long_is_told_as_failed(
    backend: ScriptedBackend,
) -> None:
    hold(backend)
    async with (
        serving(backend.url, "--openai", "--drain-timeout=1") as gateway,
        realtime(gateway) as client,
    ):
        await client.append(SAID)
        committed = await client.event(COMMITTED)
        await gateway.gateway.begin_shutdown()
        stopping = asyncio.create_task(gateway.gateway.drain(1.0, asyncio.Event()))

        failed = await client.event(FAILED)
        assert failed["item_id"] == committed["item_id"]
        assert await client.closed() == aiohttp.WSCloseCode.GOING_AWAY
        await stopping
        assert gateway.count("stt", 503, "GET") == 1


async def test_a_response_that_a_session_has_no_time_for_is_told_as_failed(
    backend: ScriptedBackend,
) -> None:
    hold(backend)
    limits = ("--max-session=1", "--drain-timeout=0.1")
    message = {"role": "user", "content": [{"type": "input_text", "text": "Hello."}]}
    async with serving(backend.url, "--openai", *limits) as gateway:
        async with realtime(gateway, PATH) as client:
            await client.send("response.create", response={"input": [message]})
            done = await client.event("response.done")

            assert done["response"]["status"] == "failed"
            await gateway.settled()
            assert gateway.count("tts", 503, "GET") == 1


async def test_what_a_session_has_no_time_for_is_told_as_failed(backend: ScriptedBackend) -> None:
    hold(backend)
    limits = ("--max-session=2", "--drain-timeout=0.1")
    async with serving(backend.url, "--openai", *limits) as gateway, realtime(gateway) as client:
        await client.append(SAID)
        committed = await client.event(COMMITTED)
        failed = await client.event(FAILED)

        assert failed["item_id"] == committed["item_id"]
        assert "has lasted 2 s" in failed["error"]["message"]
        assert await client.closed() == aiohttp.WSCloseCode.GOING_AWAY
        assert gateway.count("stt", 503, "GET") == 1


async def test_sigterm_closes_the_sockets_of_the_program(backend: ScriptedBackend) -> None:
    async with (
        serving_program("--skit-url", backend.url, "--openai") as program,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{program.port}{PATH}") as ws,
    ):
        await ws.receive_json()
        program.signal()
        message = await ws.receive(timeout=5)

        assert (message.type, message.data) == (
            aiohttp.WSMsgType.CLOSE,
            aiohttp.WSCloseCode.GOING_AWAY,
        )
        await ws.close()
        assert await program.ended() == 0


async def test_a_thousand_idle_sockets_leave_the_rest_as_it_is(backend: ScriptedBackend) -> None:
    limits = ("--max-sockets=1000", "--max-connections=1100")
    async with (
        serving(backend.url, "--openai", *limits) as gateway,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        sockets = [await session.ws_connect(gateway.url + PATH) for _ in range(1000)]
        for ws in sockets:
            await ws.receive_json()

        assert live_sockets(gateway) == 1000
        assert gateway.inflight("stt") == 0
        assert (await gateway.speak()).status == 200
        await asyncio.gather(*(ws.close() for ws in sockets))
        await until(lambda: live_sockets(gateway), equals=0, timeout=20)
