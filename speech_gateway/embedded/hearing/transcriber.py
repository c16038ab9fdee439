"""Transcribes utterances in threads, and lets requests take turns."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from ...media.voice_activity import RATE
from ..pipeline_params import TranscribePlan
from .whisper_model import Heard

PATIENCE = 0.5
"""Seconds that an utterance is put behind others for each second that it lasts."""


class HearingError(Exception):
    """The model failed at an utterance."""


class Model(Protocol):
    """What transcribes; the lock of the interpreter is free meanwhile."""

    def transcribe(self, samples: bytes, plan: TranscribePlan) -> Heard | None:
        """Return what is said in 16-bit samples, mono, 16 kHz; None if that is nothing."""


class Transcriber:
    """Has at most ``at_once`` utterances transcribed at the same time.

    The others wait. A request asks for one utterance after another, and a long one lets those pass
    that came a little later and are shorter: recordings do not keep a live speaker waiting, and
    wait no longer than their length makes them.
    """

    def __init__(self, model: Model, at_once: int) -> None:
        self._model = model
        self._threads = ThreadPoolExecutor(at_once, "transcriber")
        self._at_once = self._free = at_once
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        """By the time at which each is to have its turn."""
        self._numbers = count()

    def close(self) -> None:
        """Begin nothing more, and wait for nothing."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def has_spare(self) -> bool:
        """Whether an utterance would be transcribed at once, and another one beside it."""
        return self._free > min(1, self._at_once - 1)

    async def transcribe(self, samples: bytes, plan: TranscribePlan) -> Heard | None:
        """Wait for a turn, and return what is said; None if that is nothing.

        Raises:
            HearingError: the model failed.
        """
        await self._turn(len(samples) / 2 / RATE)
        loop = asyncio.get_running_loop()
        try:
            running = loop.run_in_executor(self._threads, self._model.transcribe, samples, plan)
        except BaseException:
            self._give_turn()
            raise
        # Not sooner: a client that leaves does not stop a thread.
        running.add_done_callback(self._done)
        try:
            return await asyncio.shield(running)
        except Exception as error:
            raise HearingError(f"{type(error).__name__}: {error}") from error

    async def _turn(self, seconds: float) -> None:
        """Wait for the turn of an utterance that lasts seconds."""
        if self._free > 0:
            self._free -= 1
            return
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        due = loop.time() + PATIENCE * seconds
        heappush(self._waiting, (due, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given just now
                self._give_turn()
            raise

    def _give_turn(self) -> None:
        """Give the turn to who is due first; nobody who has left."""
        while self._waiting:
            _, _, turn = heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _done(self, done: "asyncio.Future[Heard | None]") -> None:
        self._give_turn()
        if not done.cancelled():
            done.exception()  # told to who waits, if anybody still does
