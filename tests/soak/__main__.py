"""Run the soak: ``python -m tests.soak --seconds 600``; it exits with 1 for unbalanced books."""

import argparse
import asyncio
import random
import sys
import time
from dataclasses import dataclass

import uvloop

from speech_gateway.upstream.idle_pool import IDLE_TIMEOUT
from tests.soak.backend import SoakBackend
from tests.soak.books import Books
from tests.soak.clients import speak
from tests.soak.live_clients import live_speaker
from tests.soak.mix import MIX
from tests.soak.openai_clients import large_upload, stops_in_its_upload
from tests.soak.process import Gateway, gateway_before
from tests.soak.wyoming_clients import wyoming_speaker
from tests.support.client import Response
from tests.support.polling import until
from tests.support.realtime import speech

SEED = 20260101
CLIENTS = 150
SLOTS = 20
FLAGS = (
    *("--max-concurrency", str(SLOTS), "--max-queue", "80", "--log-level", "error"),
    *("--client-timeout", "2s", "--upstream-timeout", "2s", "--drain-timeout", "1s", "--openai"),
    *("--plugin", "tests.soak.plugin:ShowTasks"),
)
WARM_UP_REQUESTS = 3000
STOPPING_SECONDS = 2.0
ENDLESS = 5
SETTLE_TIMEOUT = 30.0
MEMORY_BOUND = 64 * 1024 * 1024
"""Bytes that the process may grow by, from after the warm-up to the end."""


@dataclass(frozen=True)
class Stock:
    """What a gateway at rest has."""

    files: int
    tasks: int
    memory: int

    @classmethod
    async def take(cls, gateway: Gateway) -> "Stock":
        await asyncio.sleep(IDLE_TIMEOUT + 1)  # until no connection is kept for a next call
        return cls(gateway.open_files(), int(await gateway.page("/tasks")), gateway.memory())


async def load(books: Books, chance: random.Random, *, seconds: float, most: int = 10**9) -> None:
    """Keep CLIENTS clients busy for seconds, or until most requests were sent."""
    kinds = [kind for _, kind in MIX]
    weights = [weight for weight, _ in MIX]
    end = time.monotonic() + seconds

    async def one_after_another() -> None:
        while time.monotonic() < end and books.sent < most:
            kind = chance.choices(kinds, weights)[0]
            number = next(books.numbers)
            try:
                await kind(books, number)
            except (OSError, EOFError) as error:
                books.failed.append(f"request {number}: {error!r}")

    await asyncio.gather(*(one_after_another() for _ in range(CLIENTS)))


async def fill_slots(books: Books) -> None:
    """Have large uploads in all slots at once: what they take for a moment is no growth later."""
    for client in (large_upload, stops_in_its_upload, live_speaker, wyoming_speaker) * 2:
        await asyncio.gather(*(client(books, next(books.numbers)) for _ in range(SLOTS)))


async def settled(gateway: Gateway) -> None:
    await until(lambda: gateway.sample("gateway_inflight_requests"), SETTLE_TIMEOUT, equals=0)


async def soak(seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    books = Books(port=0)
    server = await loop.create_server(lambda: SoakBackend(books), "127.0.0.1", 0, backlog=1024)
    chance = random.Random(SEED)
    async with gateway_before(server.sockets[0].getsockname()[1], *FLAGS) as gateway:
        books.port, books.wyoming_port = gateway.port, gateway.wyoming_port
        await load(books, chance, seconds=seconds, most=WARM_UP_REQUESTS)
        await fill_slots(books)
        await settled(gateway)
        before = await Stock.take(gateway)
        began, already = time.monotonic(), books.sent
        await load(books, chance, seconds=seconds)
        rate = (books.sent - already) / (time.monotonic() - began)
        await settled(gateway)
        right = await balanced(gateway, books, before)
        codes = ", ".join(f"{code}: {count:,}" for code, count in sorted(books.codes.items()))
        print(f"{books.sent:,} requests, {rate:,.0f} a second; answers by status: {codes}")
        right = await stopped_under_load(gateway, books, chance) and right
    server.close()
    print("1 passed, 0 failed" if right else "0 passed, 1 failed")
    return right


async def balanced(gateway: Gateway, books: Books, before: Stock) -> bool:
    """Say whether the books balance, and nothing is left of what came."""
    counted = await gateway.sample("gateway_requests_total")
    waiting = await gateway.sample("gateway_waiting_requests")
    inflight = await gateway.sample("gateway_inflight_requests")
    sockets = await gateway.sample("gateway_live_sockets")
    after = await Stock.take(gateway)
    grown = after.memory - before.memory
    wrong = books.wrong + books.failed
    lines = gateway.forbidden_lines()
    for line in [*wrong[:10], *lines[:10]]:
        print(f"     {line}")
    return all(
        [
            report("wrong answers", len(wrong), "0", not wrong),
            report("counted", counted, f"{books.sent:,} sent", counted == books.sent),
            report("in flight", inflight, "0", not inflight),
            report("waiting", waiting, "0", not waiting),
            report("live sockets", sockets, "0", not sockets),
            report(
                "open files", after.files, f"{before.files} before", after.files <= before.files
            ),
            report("tasks", after.tasks, f"{before.tasks} before", after.tasks <= before.tasks),
            report("memory grown", grown, f"at most {MEMORY_BOUND:,}", grown <= MEMORY_BOUND),
            report("forbidden log lines", len(lines), "0", not lines),
        ]
    )


async def stopped_under_load(gateway: Gateway, books: Books, chance: random.Random) -> bool:
    """Stop the gateway in the middle of everything: it may refuse and break, and not lie."""
    endless = [asyncio.create_task(speak(books, n, "leave")) for n in range(-ENDLESS, 0)]
    loading = asyncio.create_task(load(books, chance, seconds=STOPPING_SECONDS))
    await asyncio.sleep(STOPPING_SECONDS / 4)
    began = time.monotonic()
    status = await gateway.stopped()
    took = time.monotonic() - began
    await loading
    answers = await asyncio.gather(*endless, return_exceptions=True)
    whole = sum(isinstance(a, Response) and a.status == 200 and a.whole for a in answers)
    lines = gateway.forbidden_lines()
    for line in [*books.wrong[:10], *lines[:10]]:
        print(f"     {line}")
    return all(
        [
            report("exit status of the stop", status, "0", status == 0),
            report("seconds it took", took, "at most 10", took <= 10),
            report("wrong answers meanwhile", len(books.wrong), "0", not books.wrong),
            report("endless streams ended as if whole", whole, "0", not whole),
            report("forbidden log lines", len(lines), "0", not lines),
        ]
    )


def report(what: str, found: float, expected: str, right: bool) -> bool:
    print(f"{'ok  ' if right else 'FAIL'} {what}: {found:,.0f} ({expected})")
    return right


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    speech()  # while nobody waits for the loop
    return 0 if uvloop.run(soak(parser.parse_args().seconds)) else 1


if __name__ == "__main__":
    sys.exit(main())
