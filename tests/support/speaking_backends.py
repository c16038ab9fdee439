"""Backends that speak: at once, or half of it until they are let go on."""

import asyncio

from tests.support.backend import LAST_CHUNK, OK_CHUNKED, BackendCall, answer, chunk
from tests.support.ogg import cut_at_pages
from tests.support.speech import FOX, spoken


async def speak_at_once(call: BackendCall) -> None:
    """Answer with the fox, whatever is to be said."""
    await call.whole_media()
    await call.write(answer(spoken(FOX)))


class HeldSpeech:
    """Speaks the first half at once, and the second when it is let go, or breaks off then."""

    def __init__(self, *, breaks_off: bool = False) -> None:
        self.go_on = asyncio.Event()
        self.closed = asyncio.Event()
        """Whether the gateway has given the call up."""
        self._breaks_off = breaks_off

    async def __call__(self, call: BackendCall) -> None:
        await call.whole_media()
        pages = cut_at_pages(spoken(FOX))
        half = len(pages) // 2
        await call.write(OK_CHUNKED + chunk(b"".join(pages[:half])))
        gone = asyncio.create_task(call.until_closed())
        let_go = asyncio.create_task(self.go_on.wait())
        await asyncio.wait({gone, let_go}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        let_go.cancel()
        if call.closed.is_set():
            self.closed.set()
        elif self._breaks_off:
            call.writer.transport.abort()
        else:
            await call.write(chunk(b"".join(pages[half:])) + LAST_CHUNK)
