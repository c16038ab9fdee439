"""A satellite for Home Assistant, whose microphone and speaker are files."""

import asyncio
import itertools
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.polling import until
from tests.support.process import free_port, until_it_listens

RATE = 16_000
"""Samples a second, of the microphone and of the speaker."""
PIECE_SECONDS = 0.02
READY_TIMEOUT = 30.0
ANSWER_TIMEOUT = 60.0
WAKE_WORD = "head -c 2048 > /dev/null; echo now; cat > /dev/null"
"""Finds the wake word in the first that the microphone gives, and in nothing after it."""
SPEAKER = "cat > playing; mv playing speaker"


@dataclass(frozen=True)
class Satellite:
    """A running satellite."""

    folder: Path
    """Where its files are."""
    port: int

    async def ready(self) -> None:
        """Wait until Home Assistant has it listen."""
        await until((self.folder / "ready").exists, READY_TIMEOUT)

    async def ask(self, samples: bytes) -> bytes:
        """Say something at the pace of speech, and be silent; return what the speaker plays."""
        speaker = self.folder / "speaker"
        loop = asyncio.get_running_loop()
        microphone = os.open(self.folder / "microphone", os.O_RDWR | os.O_NONBLOCK)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                begun = loop.time()
                for number, piece in enumerate(_pieces(samples)):
                    if speaker.exists():
                        break
                    os.write(microphone, piece)
                    await asyncio.sleep(begun + number * PIECE_SECONDS - loop.time())
        finally:
            os.close(microphone)
        return speaker.read_bytes()

    def told(self, what: str) -> str:
        """Return what Home Assistant has told it: the transcript, or the answer."""
        return (self.folder / what).read_text()


@asynccontextmanager
async def satellite(python: Path, folder: Path) -> AsyncIterator[Satellite]:
    """Run one until the block ends."""
    port = free_port()
    os.mkfifo(folder / "microphone")
    process = await asyncio.create_subprocess_exec(
        # The command of this name fails in version 1.0.0.
        *(python, "-m", "wyoming_satellite"),
        *("--name", "kitchen", "--uri", f"tcp://127.0.0.1:{port}", "--no-zeroconf"),
        *("--mic-command", "cat microphone"),
        *("--wake-command", f"sh -c '{WAKE_WORD}'"),
        *("--snd-command", f"sh -c '{SPEAKER}'", "--snd-command-rate", str(RATE)),
        *("--streaming-stop-command", "touch ready"),
        *("--transcript-command", "tee transcript", "--synthesize-command", "tee answer"),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # its microphone outlives it otherwise
    )
    try:
        await until_it_listens(port)
        yield Satellite(folder, port)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        await process.wait()


def _pieces(samples: bytes) -> Iterator[bytes]:
    """Yield samples in pieces, with a second of silence before and silence without end behind."""
    size = int(RATE * PIECE_SECONDS) * 2
    quiet = bytes(size)
    yield from itertools.repeat(quiet, int(1 / PIECE_SECONDS))
    for start in range(0, len(samples), size):
        yield samples[start : start + size]
    yield from itertools.repeat(quiet)
