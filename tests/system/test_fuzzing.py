"""Arbitrary bytes at a gateway: no 500, no traceback, no hang; and it still serves afterwards."""

import asyncio
import logging
import random

import pytest

from speech_gateway.api.wyoming import wyoming_connection
from tests.support.backend import ScriptedBackend
from tests.support.client import RawClient
from tests.support.gateway import Served, serving
from tests.support.wyoming import AUDIO, connect_wyoming, message, wyoming

SEED = 20260102
ROUNDS = 400
SEEDS = [
    b"POST /tts HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nHello.",
    b"POST /stt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nOggS\r\n0\r\n\r\n",
    b"PUT /tts HTTP/1.0\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc",
    b"GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: application/openmetrics-text\r\n\r\n",
    b"POST /tts HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    b"POST /tts HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain; charset=utf-16\r\n"
    b"Content-Length: 4\r\nUpgrade: h2c\r\n\r\n\xff\xfeh\x00",
]
TOKENS = [
    *(b"\r\n", b"\n", b"\r", b"\0", b": ", b" ", b"\t", b",", b";", b"0", b"-1", b"+5", b"\xff"),
    *(b"18446744073709551616", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(b"Connection: close\r\n", b"Upgrade: x\r\n", b"ffffffffffffffff\r\n", b"HTTP/1.1"),
    *(b"Expect: 100-continue\r\n", b"Content-Type: a/b; charset=\xe9\r\n", b"\x80" * 40),
]


def mutated(chance: random.Random) -> bytes:
    """Return a request, or two, with a few things done to it."""
    data = bytearray(b"".join(chance.choices(SEEDS, k=chance.randint(1, 2))))
    for _ in range(chance.randint(0, 3)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0:
                data[at:at] = chance.choice(TOKENS)
            case 1:
                del data[at : at + chance.randint(1, 12)]
            case 2:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 3:
                data[at:at] = data[at : at + chance.randint(1, 40)]
            case 4:
                data[at : at + 4] = chance.choice(TOKENS)
    return bytes(data)


async def send_and_read_all(gateway: Served, pieces: list[bytes]) -> bytes:
    """Send pieces, half-close, and return all that comes."""
    async with await gateway.connect() as client:
        return await _sent(client, pieces)


async def _sent(client: RawClient, pieces: list[bytes]) -> bytes:
    try:
        for piece in pieces:
            client.write(piece)
            await client.writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            return await client.reader.read()
    except ConnectionError:
        return b""


@pytest.mark.parametrize("part", range(4))
async def test_mutated_requests_find_no_fault(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture, part: int
) -> None:
    chance = random.Random(SEED + part)
    caplog.set_level(logging.ERROR)
    async with serving(backend.url, "--client-timeout=200ms", "--upstream-timeout=2s") as gateway:
        for _ in range(ROUNDS // 4):
            data = mutated(chance)
            cut = chance.randrange(len(data) + 1)

            answer = await send_and_read_all(gateway, [data[:cut], data[cut:]])

            assert b" 500 " not in answer.partition(b"\r\n")[0], data
            assert b"Traceback" not in answer, data
        await gateway.settled()
        assert (await gateway.speak(b"Still there?")).status == 200

    assert not [record.getMessage() for record in caplog.records]


MESSAGES = [
    message("describe"),
    message("ping", text="a"),
    message("synthesize", text="Hello. There.", voice={"name": "alloy"}),
    message("synthesize-start") + message("synthesize-chunk", text="One. Two"),
    message("synthesize-stop"),
    message("transcribe", language="en") + message("audio-start", **AUDIO),
    message("audio-chunk", bytes(640), **AUDIO),
    message("audio-stop"),
]
WORDS = [
    *(b"\n", b"{", b"}", b"[]", b'"', b"\xff", b"null", b"true", b"-1", b"1e99", b"9" * 30),
    *(b'"data_length": 3', b'"payload_length": 9', b'"text": 7', b'"rate": 0', b"\\ud800"),
]


@pytest.mark.parametrize("part", range(4))
async def test_mutated_messages_find_no_fault(
    backend: ScriptedBackend,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    part: int,
) -> None:
    chance = random.Random(SEED + part)
    caplog.set_level(logging.ERROR)
    monkeypatch.setattr(wyoming_connection, "TEXT_PAUSE", 0.2)
    flags = ("--wyoming-listen=127.0.0.1:0", "--client-timeout=200ms", "--upstream-timeout=2s")
    async with serving(backend.url, *flags) as gateway:
        for _ in range(ROUNDS // 16):
            data = bytearray(b"".join(chance.choices(MESSAGES, k=chance.randint(1, 4))))
            for _ in range(chance.randint(0, 3)):
                at = chance.randrange(len(data) + 1)
                data[at : at + chance.choice((0, 0, 1, 5))] = chance.choice(WORDS)
            cut = chance.randrange(len(data) + 1)

            async with (await connect_wyoming(gateway)).raw as client:
                answer = await _sent(client, [bytes(data[:cut]), bytes(data[cut:])])

            assert b'"code": "500"' not in answer, data
            assert b"Traceback" not in answer, data
        await gateway.settled()
        async with wyoming(gateway) as whole:
            await whole.send("ping", text="still there?")
            assert (await whole.event()).type == "pong"

    assert not [record.getMessage() for record in caplog.records]
