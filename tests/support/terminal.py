"""A shell at a terminal, typed at as a person does."""

import asyncio
import os
import pty
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from .polling import until

TYPING_TIMEOUT = 30.0


@dataclass
class Terminal:
    """What a person types into, and what the terminal has shown since."""

    keyboard: int
    shown: str = ""

    def type(self, keys: str) -> None:
        self.shown = ""
        os.write(self.keyboard, keys.encode())

    async def until_shown(self, pattern: str) -> re.Match[str]:
        match = await until(lambda: re.search(pattern, self.shown), TYPING_TIMEOUT)
        assert match is not None
        return match

    def read(self) -> None:
        self.shown += os.read(self.keyboard, 65536).decode(errors="replace")


@asynccontextmanager
async def terminal(*command: str) -> AsyncIterator[Terminal]:
    """Run a shell at a terminal of its own until the block ends."""
    keyboard, line = pty.openpty()
    environ = {**os.environ, "TERM": "dumb", "PS1": "> "}
    process = await asyncio.create_subprocess_exec(
        *command, stdin=line, stdout=line, stderr=line, env=environ, start_new_session=True
    )
    os.close(line)
    running, loop = Terminal(keyboard), asyncio.get_running_loop()
    loop.add_reader(keyboard, running.read)
    try:
        yield running
    finally:
        loop.remove_reader(keyboard)
        if process.returncode is None:
            process.kill()
        await process.wait()
        os.close(keyboard)
