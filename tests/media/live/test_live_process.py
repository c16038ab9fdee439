"""The live audio process: connections in turn, bounded, and none of the gateway's."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from speech_gateway.media.audio_errors import ConversionFailedError
from speech_gateway.media.live.live_audio import LiveAudio, LiveConnection
from speech_gateway.media.live.live_messages import Heard, Listening, TurnDetection
from tests.support.polling import until
from tests.support.realtime import silence, speech

SAID = silence(0.5) + speech() + silence(1.0)


@asynccontextmanager
async def live_audio() -> AsyncIterator[LiveAudio]:
    audio = LiveAudio(100)
    running = audio.running(web.Application())
    await anext(running)
    try:
        yield audio
    finally:
        await anext(running, None)


async def connected(audio: LiveAudio) -> LiveConnection:
    connection = await audio.connect()
    await connection.configure(Listening(turns=TurnDetection()))
    return connection


async def read_until(connection: LiveConnection, wanted: Heard) -> bytes:
    while True:
        kind, payload = await connection.read()
        if kind is wanted:
            return payload


def pid_of(audio: LiveAudio) -> int:
    assert audio._process is not None
    return audio._process.pid


async def test_it_is_started_for_the_first_connection() -> None:
    async with live_audio() as audio:
        assert audio._process is None
        connection = await connected(audio)

        assert Path(f"/proc/{pid_of(audio)}").exists()
        connection.close()


async def test_it_ends_with_the_gateway() -> None:
    async with live_audio() as audio:
        connection = await connected(audio)
        pid = pid_of(audio)
        connection.close()

    assert not Path(f"/proc/{pid}").exists()


async def test_many_are_heard_at_once() -> None:
    async with live_audio() as audio:
        connections = [await connected(audio) for _ in range(8)]

        async def said(connection: LiveConnection) -> float:
            await connection.feed(SAID)
            return float(json.loads(await read_until(connection, Heard.END))["seconds"])

        seconds = await asyncio.gather(*map(said, connections))
        assert seconds == pytest.approx([seconds[0]] * 8)
        for connection in connections:
            connection.close()


async def test_who_sends_very_fast_does_not_delay_who_speaks() -> None:
    async with live_audio() as audio:
        greedy, other = await connected(audio), await connected(audio)

        async def flood() -> None:
            while True:
                await greedy.feed(silence(60.0) + SAID)

        async def read_all() -> None:
            while True:
                await greedy.read()

        flooding = [asyncio.create_task(flood()), asyncio.create_task(read_all())]
        for _ in range(20):
            await other.feed(silence(0.2))
            await other.commit()
            async with asyncio.timeout(2):
                await read_until(other, Heard.END)
        for task in flooding:
            task.cancel()
        await asyncio.gather(*flooding, return_exceptions=True)
        for connection in (greedy, other):
            connection.close()


async def test_who_reads_nothing_is_fed_no_more_and_stops_nobody() -> None:
    async with live_audio() as audio:
        deaf, other = await connected(audio), await connected(audio)
        stuck = asyncio.create_task(deaf.feed(SAID * 1000))
        await other.feed(SAID)

        await read_until(other, Heard.END)
        assert not stuck.done()
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)
        for connection in (deaf, other):
            connection.close()


async def test_when_it_dies_who_reads_and_feeds_is_told_and_another_one_is_started() -> None:
    async with live_audio() as audio:
        connection = await connected(audio)
        os.kill(pid_of(audio), 9)

        with pytest.raises(ConversionFailedError):
            await read_until(connection, Heard.END)
        with pytest.raises(ConversionFailedError):
            await connection.feed(SAID)
        connection.close()
        await until(lambda: hears(audio))


async def hears(audio: LiveAudio) -> bool:
    try:
        connection = await connected(audio)
        await connection.feed(SAID)
        await read_until(connection, Heard.END)
    except ConversionFailedError:
        return False
    connection.close()
    return True


async def test_it_can_open_no_file_and_no_network() -> None:
    async with live_audio() as audio:
        connection = await connected(audio)
        status = Path(f"/proc/{pid_of(audio)}/status").read_text()
        connection.close()

    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


async def test_it_knows_none_of_the_gateways_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKIT_TOKEN", "secret")
    async with live_audio() as audio:
        connection = await connected(audio)
        environ = Path(f"/proc/{pid_of(audio)}/environ").read_bytes()
        connection.close()

    assert b"SKIT_TOKEN" not in environ
