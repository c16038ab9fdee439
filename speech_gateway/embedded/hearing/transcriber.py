"""Transcribes utterances in threads, and lets requests take turns."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from ..pipeline_params import TranscribePlan
from .whisper_model import Heard


class Model(Protocol):
    """What transcribes; the lock of the interpreter is free meanwhile."""

    def transcribe(self, samples: bytes, plan: TranscribePlan) -> Heard | None:
        """Return what is said in 16-bit samples, mono, 16 kHz; None if that is nothing."""


class Transcriber:
    """Has at most ``at_once`` utterances transcribed at the same time.

    The others wait first come, first served. A request asks for one utterance after another, so a
    long recording delays nobody by more than one of its utterances.
    """

    def __init__(self, model: Model, at_once: int) -> None:
        self._model = model
        self._threads = ThreadPoolExecutor(at_once, "transcriber")
        self._turns = asyncio.Semaphore(at_once)

    def close(self) -> None:
        """Begin nothing more, and wait for nothing."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def is_free(self) -> bool:
        """Whether an utterance would be transcribed at once."""
        return not self._turns.locked()

    async def transcribe(self, samples: bytes, plan: TranscribePlan) -> Heard | None:
        """Wait for a turn, and return what is said; None if that is nothing."""
        await self._turns.acquire()
        loop = asyncio.get_running_loop()
        try:
            running = loop.run_in_executor(self._threads, self._model.transcribe, samples, plan)
        except BaseException:
            self._turns.release()
            raise
        # Not sooner: a client that leaves does not stop a thread.
        running.add_done_callback(self._release)
        return await asyncio.shield(running)

    def _release(self, done: "asyncio.Future[Heard | None]") -> None:
        self._turns.release()
        if not done.cancelled():
            done.exception()  # told to who waits, if anybody still does
