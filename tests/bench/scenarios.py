"""The scenarios: what is sent, and the figures that come of it."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from tests.bench.backend import order
from tests.bench.load import Times, connect, one_after_another, paced_requests, request
from tests.bench.peers import Peer
from tests.support.polling import at_rest

TEXT = b"The quick brown fox jumps over the lazy dog by the old mill."
AUDIO = b"OggS" * 65536
LATE_MS = 50.0
LATE_START_MS = 1000.0
STEP = 1.25
WARM_UP = 200

Figures = dict[str, float]
Scenario = Callable[[Peer], Awaitable[Figures]]


async def _measured(
    peer: Peer, load: Callable[[], Awaitable[Times]], streams: int, pieces: int
) -> Figures:
    """Return the figures of a load; processor time in microseconds, times in milliseconds."""
    before, began = peer.processor_seconds(), time.monotonic()
    times = await load()
    took, spent = time.monotonic() - began, peer.processor_seconds() - before
    figures = {"cpu_us_per_request": spent / streams * 1e6, "requests_per_second": streams / took}
    for name, values in (("first_byte", times.first_bytes), ("delay", times.delays)):
        if len(values) > 1:
            cuts = statistics.quantiles(values, n=100)
            figures[f"{name}_ms_p50"], figures[f"{name}_ms_p99"] = cuts[49] / 1e6, cuts[98] / 1e6
    if pieces:
        assert len(times.delays) == streams * pieces, "a piece was lost"
        figures["cpu_us_per_piece"] = figures["cpu_us_per_request"] / pieces
    return figures


async def short(peer: Peer) -> Figures:
    """10 clients, 60 characters of text, one answer of 4 KB; a connection for each request.

    Processor time and requests a second are those of clients that wait for nothing else. The time
    to the first byte is that of requests at one pace for all: else the slower peer would have the
    longer queue, and the queue would be what is measured.
    """
    message = request("/tts", order("whole", 1, 4096, 0), TEXT)
    figures = await _measured(
        *(peer, lambda: one_after_another(peer.port, message, clients=10, each=150)),
        *(1500, 0),
    )
    steady = await _measured(
        *(peer, lambda: paced_requests(peer.port, message, clients=10, each=100, gap=0.02)),
        *(1000, 0),
    )
    first_bytes = {key: value for key, value in steady.items() if key.startswith("first_byte")}
    return figures | first_bytes


async def kept(peer: Peer) -> Figures:
    """The same on connections that stay."""
    message = request("/tts", order("whole", 1, 4096, 0), TEXT)
    return await _measured(
        *(peer, lambda: one_after_another(peer.port, message, clients=10, each=300, kept=True)),
        *(3000, 0),
    )


async def paced(peer: Peer, streams: int = 100, each: int = 3) -> Figures:
    """100 streams at once, 50 pieces of 160 bytes, one each 20 ms: speech as it is played."""
    message = request("/tts", order("pieces", 50, 160, 20), TEXT)
    return await _measured(
        peer,
        lambda: one_after_another(peer.port, message, clients=streams, each=each, within=1.0),
        *(streams * each, 50),
    )


async def burst(peer: Peer) -> Figures:
    """10 streams at once, 500 pieces of 160 bytes, 2 ms apart: speech as the backend makes it."""
    message = request("/tts", order("pieces", 500, 160, 2), TEXT)
    return await _measured(
        *(peer, lambda: one_after_another(peer.port, message, clients=10, each=2, within=0.1)),
        *(20, 500),
    )


async def upload(peer: Peer) -> Figures:
    """10 clients, 256 KB of audio up, 20 transcript lines back."""
    message = request("/stt", order("lines", 20, 0, 0), AUDIO)
    return await _measured(
        *(peer, lambda: one_after_another(peer.port, message, clients=10, each=40)),
        *(400, 0),
    )


async def many(peer: Peer) -> Figures:
    """Return the largest number of paced streams of which listeners hear no fault.

    99 of 100 pieces are at most 50 ms late, and 99 of 100 streams begin within a second: else the
    slower peer would let few in at once, and serve those few in time.
    """
    streams, best = 400.0, 0
    while await _is_well_served(peer, int(streams)):
        best = int(streams)
        streams *= STEP
    return {"streams": best}


async def _is_well_served(peer: Peer, streams: int) -> bool:
    try:
        figures = await paced(peer, streams, each=2)
    except ConnectionError:  # with too many at once, some are given up
        return False
    return figures["delay_ms_p99"] <= LATE_MS and figures["first_byte_ms_p99"] <= LATE_START_MS


async def stalled(peer: Peer) -> Figures:
    """100 clients that read nothing: the memory of each."""
    message = request("/tts", order("endless", 0, 0, 0), TEXT)
    before = peer.resident()
    connections = [await connect(peer.port, Times()) for _ in range(100)]
    for connection in connections:
        connection.stall(message)
    last = await at_rest(peer.resident, pause=0.5)
    for connection in connections:
        connection.close()
    await asyncio.sleep(0.5)  # for what broke off to be cleaned up before the next round
    return {"kib_of_each": (last - before) / 100 / 1024}


SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario for scenario in (short, kept, paced, burst, upload, many, stalled)
}


async def warm_up(peer: Peer) -> None:
    message = request("/tts", order("whole", 1, 4096, 0), TEXT)
    await one_after_another(peer.port, message, clients=10, each=WARM_UP)
