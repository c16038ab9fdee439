"""A backend as a process of its own, which can be killed and stopped: NAME and PORT are its words.

It answers a text with its name; one that asks for a stream, with numbers at the pace of speech.
"""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from .backend import LAST_CHUNK, OK_CHUNKED, BackendCall, answer, chunk, scripted_backend

STREAM = b"Go on for a while."
PIECES = 250
PACE = 0.02
END = b"end"


@dataclass
class StreamkitProcess:
    """A running backend."""

    name: str
    process: asyncio.subprocess.Process
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@asynccontextmanager
async def streamkit_process(name: str, port: int = 0) -> AsyncIterator[StreamkitProcess]:
    """Run a backend, on a free port where none is named."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.streamkit_process", name, str(port)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield StreamkitProcess(name, process, int(await process.stdout.readline()))
    finally:
        if process.returncode is None:
            process.kill()  # stopped ones, too
        await process.communicate()


async def _speak(name: bytes, call: BackendCall) -> None:
    if await call.whole_media() != STREAM:
        return await call.write(answer(name))
    await call.write(OK_CHUNKED + chunk(name))
    for number in range(PIECES):
        await asyncio.sleep(PACE)
        await call.write(chunk(b" %d" % number))
    return await call.write(chunk(b" " + END) + LAST_CHUNK)


async def _main(name: str, port: str) -> None:
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=100)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    async with scripted_backend(lambda call: _speak(name.encode(), call), listener=listener):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
