"""What the clients' scripts share: a recording at the pace of speech, and the account of it."""

import argparse
import asyncio
import json
import sys
import traceback
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

RATE = 24_000
"""Samples a second of every recording; they are mono, 16 bit."""
PIECE_SECONDS = 0.02
RESULT_TIMEOUT = 30.0
"""Seconds after the recording's end in which its last result must have come."""


@dataclass(frozen=True)
class Options:
    """What a script is asked to do."""

    url: str
    """The gateway's, without a path."""
    wav: Path
    mode: str
    utterances: int
    """How many final results are to be waited for."""

    @property
    def openai_url(self) -> str:
        """Where the gateway serves OpenAI's API, as clients want it for a base URL."""
        return f"{self.url}/v1"


@dataclass
class Account:
    """What a client gave to its application."""

    finals: list[str] = field(default_factory=list)
    interims: list[str] = field(default_factory=list)
    """Those that came while the recording was still being played."""
    errors: list[str] = field(default_factory=list)
    spoken_bytes: int = 0
    """Of speech that the client asked for, where it does that too."""
    _playing: bool = True
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def final(self, text: str) -> None:
        """Take down a result that will not change."""
        self.finals.append(text)
        self._news.set()

    def interim(self, text: str) -> None:
        """Take down a result that may change."""
        if self._playing:
            self.interims.append(text)

    def error(self, what: object) -> None:
        """Take down what the client complains of."""
        self.errors.append(str(what))
        self._news.set()

    async def play(self, options: Options) -> AsyncIterator[bytes]:
        """Yield the recording's samples at the pace at which they were spoken."""
        loop = asyncio.get_running_loop()
        with wave.open(str(options.wav)) as wav:
            begun, number = loop.time(), 0
            while piece := wav.readframes(int(RATE * PIECE_SECONDS)):
                yield piece
                number += 1
                await asyncio.sleep(begun + number * PIECE_SECONDS - loop.time())
        self._playing = False

    async def complete(self, options: Options) -> None:
        """Wait until every final result has come, or an error has."""
        try:
            async with asyncio.timeout(RESULT_TIMEOUT):
                while len(self.finals) < options.utterances and not self.errors:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            self.error(f"{len(self.finals)} of {options.utterances} final results came")

    def as_json(self) -> str:
        """Return it for the test that started the script."""
        told = {name: what for name, what in vars(self).items() if not name.startswith("_")}
        return json.dumps(told)


def run(listen: Callable[[Options, Account], Awaitable[None]], *modes: str) -> NoReturn:
    """Do what the command line asks for, print the account, and exit: with 1 after errors."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("wav", type=Path)
    parser.add_argument("mode", choices=modes)
    parser.add_argument("utterances", type=int)
    account = asyncio.run(_accounted(listen, Options(**vars(parser.parse_args()))))
    sys.stdout.write(account.as_json() + "\n")
    sys.exit(1 if account.errors else 0)


async def _accounted(
    listen: Callable[[Options, Account], Awaitable[None]], options: Options
) -> Account:
    account = Account()
    try:
        await listen(options, account)
    except Exception as error:  # noqa: BLE001 - whatever a client raises is what is asked after
        traceback.print_exc()
        account.error(repr(error))
    return account
