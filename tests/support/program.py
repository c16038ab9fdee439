"""The program and the engine as processes of their own, as an operator starts them."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

START_TIMEOUT = 60


@dataclass
class Program:
    """A running process, and what it has written to standard error."""

    process: asyncio.subprocess.Process
    log: list[str] = field(default_factory=list)
    port: int = 0

    async def line(self, pattern: str) -> re.Match[str]:
        """Return the next line of the log that matches pattern."""
        assert self.process.stderr is not None
        async with asyncio.timeout(START_TIMEOUT):
            while True:
                line = (await self.process.stderr.readline()).decode()
                assert line, f"ended before {pattern!r}: {''.join(self.log)}"
                self.log.append(line)
                if match := re.search(pattern, line):
                    return match

    async def pass_on_log(self, level: str) -> None:
        """Read the log, lest the program waits for a full pipe; show the lines of a level."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            if f" {level} ".encode() in line:
                sys.stderr.write(line.decode(errors="replace"))

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Return the exit status; the rest of the log is kept."""
        _, rest = await self.process.communicate()
        self.log.append(rest.decode())
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def program(
    *argv: str,
    module: str = "speech_gateway",
    before: Sequence[str] = (),
    stdin: str = os.devnull,
    **environ: str,
) -> AsyncIterator[Program]:
    """Run the program until the block ends; the words before it may set limits, say."""
    given = os.open(stdin, os.O_RDONLY | os.O_NOCTTY)
    try:
        process = await asyncio.create_subprocess_exec(
            *(*before, sys.executable, "-m", module, *argv),
            stdin=given,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **environ},
        )
    finally:
        os.close(given)
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def serving_program(
    *argv: str,
    listen: str = "127.0.0.1",
    before: Sequence[str] = (),
    stdin: str = os.devnull,
    **environ: str,
) -> AsyncIterator[Program]:
    """Run the program on a free port, and wait until it listens."""
    words = ("--listen", f"{listen}:0", *argv)
    async with program(*words, before=before, stdin=stdin, **environ) as running:
        running.port = int((await running.line(rf"listening on http://{listen}:(\d+)"))[1])
        yield running
