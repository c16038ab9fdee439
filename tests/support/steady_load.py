"""Clients that ask for something short, again and again, while something happens."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from .client import RawClient
from .polling import until

LOADERS = 6
PAUSE = 0.02
WAIT_TIMEOUT = 30.0


@dataclass(frozen=True)
class Asked:
    """A short request, as its client saw it."""

    begun: float
    took: float
    by: str
    """Who answered, of several; empty when nobody did."""
    failure: str


@dataclass
class SteadyLoad(ABC):
    """Short requests, by clients that wait for each answer: the name of who gives it."""

    asked: list[Asked] = field(default_factory=list, init=False)

    @property
    @abstractmethod
    def answering(self) -> set[str]:
        """Who answers, when all is well."""

    @abstractmethod
    async def connect(self) -> RawClient: ...

    @asynccontextmanager
    async def load(self) -> AsyncIterator[None]:
        """Have clients ask until the block ends."""
        stop = asyncio.Event()
        loaders = [asyncio.create_task(self._ask_until(stop)) for _ in range(LOADERS)]
        try:
            await until(
                lambda: {asked.by for asked in self.asked},
                WAIT_TIMEOUT,
                holds=self.answering.issubset,
            )
            yield
        finally:
            stop.set()
            await asyncio.gather(*loaders)

    def since(self, moment: float) -> list[Asked]:
        """Return the requests that were begun after a moment."""
        return [asked for asked in self.asked if asked.begun >= moment]

    @property
    def failed(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.failure]

    async def _ask_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.asked.append(await self._ask())
            await asyncio.sleep(PAUSE)  # bounds the load

    async def _ask(self) -> Asked:
        begun = time.monotonic()
        by, failure = "", ""
        try:
            async with await self.connect() as client:
                response = await client.speak()
            if response.status == 200 and response.whole:
                by = response.text
            else:
                failure = repr(response)
        except (OSError, EOFError) as error:  # asyncio's IncompleteReadError is an EOFError
            failure = repr(error)
        return Asked(begun, time.monotonic() - begun, by, failure)
