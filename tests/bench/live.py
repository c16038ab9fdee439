"""Live connections, measured: ``python -m tests.bench.live --json bench-live.json``.

What a hundred people who speak at once cost those who listen to ``/tts``, and how soon a transcript
is there after the last word, with the bundled engine.
"""

import argparse
import asyncio
import base64
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import uvloop

from speech_gateway.media.live.live_audio import PROCESS
from tests.bench.__main__ import machine
from tests.bench.backend import order
from tests.bench.load import one_after_another, request
from tests.bench.peers import LOAD_CORE, PROXY_CORE, Peer, started
from tests.support.process import descendants, free_port, processor_seconds, until_it_listens
from tests.support.program import serving_program
from tests.support.realtime import COMPLETED, TRANSCRIBING, silence, speech
from tests.support.speech import SENTENCES

SOCKETS = 100
LISTENERS = 100
PIECE_SECONDS = 0.05
SPEECH_PART = 1 / 3
"""Of the time that somebody is connected, the part in which they speak."""
UTTERANCES = 20
AT_ONCE = (1, 4)
TEXT = b"The quick brown fox jumps over the lazy dog by the old mill."

Figures = dict[str, float]


async def beside_listeners() -> Figures:
    """Return what listeners notice of live connections, and what those cost."""
    figures: Figures = {}
    async with _gateway() as gateway:
        message = request("/tts", order("pieces", 250, 160, 20), TEXT)

        async def listen(label: str) -> float:
            before, began = gateway.processor_seconds(), time.monotonic()
            times = await one_after_another(
                gateway.port, message, clients=LISTENERS, each=1, within=1.0
            )
            cuts = statistics.quantiles(times.delays, n=100)
            figures[f"delay of a piece, {label}, p50 ms"] = cuts[49] / 1e6
            figures[f"delay of a piece, {label}, p99 ms"] = cuts[98] / 1e6
            return (gateway.processor_seconds() - before) / (time.monotonic() - began)

        alone = await listen("no live sockets")
        async with _speakers(gateway.port, SOCKETS):
            await asyncio.sleep(3)  # until all have begun to speak
            live = _live_process(gateway.pid)
            os.sched_setaffinity(live, {LOAD_CORE % (os.cpu_count() or 1)})  # as the kernel would
            before, began = processor_seconds(live), time.monotonic()
            beside = await listen(f"{SOCKETS} live sockets")
            spent = processor_seconds(live) - before
            cost = spent / (time.monotonic() - began)
            figures["live process, % of a core a socket"] = cost / SOCKETS * 100
            figures["gateway, % of a core a socket"] = (beside - alone) / SOCKETS * 100
    return figures


def _live_process(gateway: int) -> int:
    (live,) = (
        pid
        for pid in descendants(gateway)
        if PROCESS.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    return live


async def to_transcript(at_once: int) -> Figures:
    """Return the times from the end of speech to the transcript, with the bundled engine."""
    async with serving_program("--skit-url", "embedded", "--openai") as program:
        log = asyncio.create_task(program.pass_on_log("ERROR"))
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{program.port}{TRANSCRIBING}"
            runs = [_dialogue(session, url, UTTERANCES // at_once) for _ in range(at_once)]
            times = [each for run in await asyncio.gather(*runs) for each in run]
        log.cancel()
    cuts = statistics.quantiles(times, n=100)
    return {
        f"end of speech to completed, {at_once} at once, p50 ms": cuts[49] * 1000,
        f"end of speech to completed, {at_once} at once, p99 ms": cuts[98] * 1000,
    }


async def _dialogue(session: aiohttp.ClientSession, url: str, utterances: int) -> list[float]:
    """Say something some times, waiting for each transcript; return how long each took."""
    times = []
    async with session.ws_connect(url) as ws:
        await ws.receive_json()
        for number in range(utterances):
            await _append(ws, silence(0.5) + speech(SENTENCES[number % len(SENTENCES)]))
            ended = time.perf_counter()
            quiet = asyncio.create_task(_append(ws, silence(5.0)))
            while (await ws.receive_json())["type"] != COMPLETED:
                pass
            times.append(time.perf_counter() - ended)
            await quiet
    return times


@asynccontextmanager
async def _gateway() -> AsyncIterator[Peer]:
    """Run a gateway on one core, and a backend that costs little beside the load."""
    async with AsyncExitStack() as stack:
        backend = await started(
            stack, sys.executable, "-m", "tests.bench.backend", core=LOAD_CORE, pipe=True
        )
        assert backend.stdout is not None
        url = f"http://127.0.0.1:{int(await backend.stdout.readline())}"
        port = free_port()
        process = await started(
            *(stack, sys.executable, "-m", "speech_gateway", "--listen", f"127.0.0.1:{port}"),
            *("--skit-url", url, "--openai", "--max-concurrency", "1000"),
            core=PROXY_CORE,
        )
        await until_it_listens(port)
        yield Peer("gateway", process.pid, port)


@asynccontextmanager
async def _speakers(port: int, count: int) -> AsyncIterator[None]:
    """Have people speak, pause and speak again until the block ends."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        samples = speech()
        samples += silence(len(samples) / 48_000 * (1 / SPEECH_PART - 1))
        pieces = _events(samples)
        speakers = [
            asyncio.create_task(_speak(session, port, pieces, number / count))
            for number in range(count)
        ]
        try:
            yield
        finally:
            for speaker in speakers:
                speaker.cancel()
            await asyncio.gather(*speakers, return_exceptions=True)


async def _speak(
    session: aiohttp.ClientSession, port: int, pieces: list[str], phase: float
) -> None:
    headers = {"X-Request-ID": order("lines", 1, 0, 0)}
    url = f"http://127.0.0.1:{port}{TRANSCRIBING}"
    async with session.ws_connect(url, headers=headers) as ws:
        reading = asyncio.create_task(_drop(ws))
        try:
            due, at = time.perf_counter() + phase * PIECE_SECONDS, int(phase * len(pieces))
            while True:
                await ws.send_str(pieces[at % len(pieces)])
                at, due = at + 1, due + PIECE_SECONDS
                await asyncio.sleep(due - time.perf_counter())
        finally:
            reading.cancel()


async def _drop(ws: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in ws:
        pass


def _events(samples: bytes) -> list[str]:
    size = int(PIECE_SECONDS * 24_000) * 2
    return [
        json.dumps(
            {
                "type": "input_audio_buffer.append",
                "audio": base64.b64encode(samples[at : at + size]).decode(),
            }
        )
        for at in range(0, len(samples), size)
    ]


async def _append(ws: aiohttp.ClientWebSocketResponse, samples: bytes) -> None:
    """Send samples at the pace of speech."""
    due = time.perf_counter()
    for event in _events(samples):
        due += PIECE_SECONDS
        await asyncio.sleep(due - time.perf_counter())
        await ws.send_str(event)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.live", description=__doc__)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    speech()  # before any time is taken
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {LOAD_CORE % (os.cpu_count() or 1)})
    figures = uvloop.run(beside_listeners())
    os.sched_setaffinity(0, everywhere)
    for at_once in AT_ONCE:
        figures |= uvloop.run(to_transcript(at_once))
    print("\n".join(f"{name:55}{value:10.2f}" for name, value in figures.items()))
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
