"""A pool of recognizer processes, one for each request."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict

from .pipeline_params import TranscribePlan
from .recognizer_process import LENGTH

LINE_LIMIT = 1024 * 1024


class RecognizerGoneError(Exception):
    """A recognizer ended in the middle of a request."""


class Recognizer:
    """One recognizer process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._input = process.stdin
        self._output = process.stdout

    @classmethod
    async def start(cls) -> "Recognizer":
        """Start one; its model loads while the first audio comes."""
        pipe = asyncio.subprocess.PIPE
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "speech_gateway.embedded.recognizer_process"),
                stdin=pipe,
                stdout=pipe,
                limit=LINE_LIMIT,
            )
        )

    async def send(self, plan: TranscribePlan, samples: AsyncIterator[bytes]) -> None:
        """Send one request's samples, waiting while the recognizer is behind."""
        self._input.write(json.dumps(asdict(plan)).encode() + b"\n")
        try:
            async for piece in samples:
                self._input.write(LENGTH.pack(len(piece)) + piece)
                with contextlib.suppress(
                    ConnectionError
                ):  # its end is noticed where lines are read
                    await self._input.drain()
        finally:
            # Also when the audio broke off: the next request begins behind this.
            self._input.write(LENGTH.pack(0))

    async def lines(self) -> AsyncIterator[str]:
        """Yield an empty text once audio has come, then a line for each utterance.

        Raises:
            RecognizerGoneError: the process ended.
        """
        while True:
            message = json.loads(await self._output.readline() or '{"gone": true}')
            if "line" in message:
                yield message["line"]
            elif "heard" in message:
                yield ""
            elif "end" in message:
                return
            else:
                raise RecognizerGoneError

    def alive(self) -> bool:
        """Return whether the process runs."""
        return self._process.returncode is None

    async def end(self) -> None:
        """Kill the process, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


class Recognizers:
    """Lends recognizers to requests; starts a new one when none is free, keeps at most ``warm``."""

    def __init__(self, warm: int) -> None:
        self._warm = warm
        self._free: list[Recognizer] = []
        self._all: set[Recognizer] = set()

    async def start(self) -> None:
        """Start the ones that are kept warm."""
        for _ in range(self._warm):
            self._free.append(await self._add())

    async def stop(self) -> None:
        """End all of them."""
        await asyncio.gather(*(recognizer.end() for recognizer in self._all))

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Recognizer]:
        """Lend a recognizer for one request; it is not used again when the request did not end."""
        recognizer = await self._take()
        reusable = False
        try:
            yield recognizer
            reusable = True
        finally:
            if reusable and recognizer.alive() and len(self._free) < self._warm:
                self._free.append(recognizer)
            else:
                self._all.discard(recognizer)
                await recognizer.end()

    async def _take(self) -> Recognizer:
        while self._free:
            recognizer = self._free.pop()
            if recognizer.alive():
                return recognizer
            self._all.discard(recognizer)
        return await self._add()

    async def _add(self) -> Recognizer:
        recognizer = await Recognizer.start()
        self._all.add(recognizer)
        return recognizer
