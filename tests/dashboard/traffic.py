"""Clients and a backend that make something to see, the same each time; no engine."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from tests.support.backend import LAST_CHUNK, OK_CHUNKED, BackendCall, answer, chunk, transcript
from tests.support.haproxy import Haproxy
from tests.support.openai_api import order
from tests.support.paths import CASES

SOUND = (CASES / "streamkit-speech.ogg").read_bytes()
PIECE = 4096
FAILING, SLOW = 0.004, 0.04
"""Shares of the calls that the backend fails, and that it answers late."""
LATE = 3.0

Act = Callable[[Haproxy], Awaitable[object]]


class Backend:
    """Answers as a busy engine does: mostly soon, sometimes late, now and then not at all."""

    def __init__(self) -> None:
        self._dice = random.Random(7)

    async def __call__(self, call: BackendCall) -> None:
        await call.whole_media()
        if self._dice.random() < FAILING:
            return await call.write(answer(b"no!\n", "500 Internal Server Error", "text/plain"))
        late = self._dice.random() < SLOW
        await asyncio.sleep(LATE if late else self._dice.uniform(0.05, 0.4))
        speaks = call.headers["x-streamkit-service"] == "tts"
        head = OK_CHUNKED if speaks else OK_CHUNKED.replace(b"audio/ogg", b"application/json")
        await call.write(head)
        for at in range(0, len(SOUND), PIECE):
            await call.write(
                chunk(SOUND[at : at + PIECE] if speaks else transcript("good morning"))
            )
            await asyncio.sleep(0.05)  # the pace of speech
        return await call.write(LAST_CHUNK)


async def speak(proxy: Haproxy) -> None:
    await proxy.speak()


async def listen(proxy: Haproxy) -> None:
    await proxy.ask("POST", "/stt", {"Content-Type": "audio/ogg"}, SOUND)


async def order_speech(proxy: Haproxy) -> None:
    await order(proxy, response_format="opus")


async def send_nonsense(proxy: Haproxy) -> None:
    await proxy.ask("POST", "/stt", {"Content-Type": "image/png"}, b"cheese")


async def leave(proxy: Haproxy) -> None:
    async with await proxy.connect() as client:
        client.request("POST", "/tts", body=b"Hello.")
        await client.head()


CLIENTS: tuple[tuple[Act, int, float], ...] = (
    (speak, 5, 0.3),
    (listen, 3, 0.4),
    (order_speech, 3, 0.5),
    (send_nonsense, 1, 1.5),
    (leave, 1, 1.0),
)
"""What they do, how many they are, and the seconds of their pauses on average."""


async def _again_and_again(act: Act, proxy: Haproxy, pause: float, seed: int) -> None:
    dice = random.Random(seed)
    while True:
        with suppress(OSError, EOFError):  # the backend is killed meanwhile
            await act(proxy)
        await asyncio.sleep(dice.uniform(0.0, 2 * pause))


@asynccontextmanager
async def crowd(proxy: Haproxy) -> AsyncIterator[None]:
    """Have all clients call until the block ends."""
    calling = [
        asyncio.create_task(_again_and_again(act, proxy, pause, seed))
        for act, number, pause in CLIENTS
        for seed in range(number)
    ]
    try:
        yield
    finally:
        for task in calling:
            task.cancel()
        await asyncio.gather(*calling, return_exceptions=True)
