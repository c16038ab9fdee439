"""Run the fuzzer: ``python -m tests.fuzz --seconds 600``; it exits with 1 for a wrong answer.

Uploads of every kind, changed here and there, go to a gateway that serves OpenAI's clients. Each
must be answered with what a client can understand, and nothing may be left behind.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import uvloop

from tests.fuzz.mutations import mutated, seeds
from tests.support.backend import hears, scripted_backend
from tests.support.client import connect
from tests.support.media_workers import busy_workers
from tests.support.openai_api import send_form
from tests.support.polling import until
from tests.support.program import Program, serving_program

CLIENTS = 4
RIGHT = {200, 400, 413, 415}
ANSWER_TIMEOUT = 120.0


class Findings:
    """What was answered, and the uploads that got a wrong answer."""

    def __init__(self, folder: Path) -> None:
        self.answers: Counter[int] = Counter()
        self.wrong = 0
        self._folder = folder

    def note(self, data: bytes, status: int) -> None:
        """Count an answer, and keep the upload when the answer is wrong."""
        self.answers[status] += 1
        if status not in RIGHT:
            self.wrong += 1
            file = self._folder / f"{status}-{self.wrong}"
            file.write_bytes(data)
            print(f"answered with {status}: {file}", file=sys.stderr)


async def fuzz(gateway: Program, findings: Findings, seed: int, seconds: float) -> None:
    """Send uploads for seconds, a few at a time."""
    uploads = mutated(random.Random(seed), seeds())
    end = time.monotonic() + seconds

    async def one_after_another() -> None:
        while time.monotonic() < end:
            data = next(uploads)
            findings.note(data, await _answer(gateway, data))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(one_after_another())


async def _answer(gateway: Program, data: bytes) -> int:
    """Return the status of the answer to an upload; 0 when there is none."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT), await connect(gateway.port) as client:
            return (await send_form(client, [("file", data)])).status
    except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
        return 0


async def run(seed: int, seconds: float) -> int:
    """Fuzz a gateway; return the exit status."""
    findings = Findings(Path(tempfile.mkdtemp(prefix="fuzz-")))
    async with scripted_backend() as backend:
        backend.script = hears("anything")
        flags = ("--skit-url", backend.url, "--openai")
        async with serving_program(*flags) as gateway:
            log = asyncio.create_task(gateway.pass_on_log("ERROR"))
            await fuzz(gateway, findings, seed, seconds)
            await until(lambda: busy_workers(gateway.process.pid), equals=[])
            alive = (await _health(gateway)) == 200
            log.cancel()
    answers = ", ".join(f"{status}: {count}" for status, count in sorted(findings.answers.items()))
    print(f"{findings.answers.total()} uploads (seed {seed}); answers {answers}")
    return 0 if alive and not findings.wrong else 1


async def _health(gateway: Program) -> int:
    async with await connect(gateway.port) as client:
        return (await client.ask("GET", "/healthz")).status


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    arguments = parser.parse_args()
    return uvloop.run(run(arguments.seed, arguments.seconds))


if __name__ == "__main__":
    sys.exit(main())
