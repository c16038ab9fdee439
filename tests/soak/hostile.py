"""The soak's other clients: they leave, stall, crawl and speak nonsense."""

import asyncio
import contextlib

from tests.soak.books import Books
from tests.soak.clients import speak
from tests.support.client import connect

SEEN_TIMEOUT = 30.0
DRIP = 0.1
"""Seconds between the bytes of a crawling client."""


async def leaver(books: Books, number: int) -> None:
    """Leave with the first piece."""
    async with await connect(books.port) as client:
        books.sent += 1
        client.request("POST", "/tts", {"X-Request-ID": f"leave-{number}"}, b"Hello.")
        await client.head()
        client.leave(reset=number % 2 == 0)


async def leaver_before_the_head(books: Books, number: int) -> None:
    """Leave a silent backend, or the queue when the gate is busy for long."""
    seen = books.seen[number] = asyncio.Event()
    client = await connect(books.port)
    books.sent += 1
    client.request("POST", "/tts", {"X-Request-ID": f"silent-{number}"}, b"Hello.")
    answer = asyncio.create_task(client.head())
    waits = {asyncio.create_task(seen.wait()), answer}
    _, pending = await asyncio.wait(waits, timeout=SEEN_TIMEOUT, return_when="FIRST_COMPLETED")
    for task in pending:
        task.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    del books.seen[number]
    client.leave(reset=number % 2 == 0)


async def bad_chunk(books: Books, number: int) -> None:
    async with await connect(books.port) as client:
        books.sent += 1
        expect = {"Content-Type": "text/plain", "Expect": "100-continue"}
        client.begin_upload("/tts", **expect)
        status, _ = await client.head()  # the request has begun, so it is one to be counted
        if status == 503:
            return  # it is stopping
        if status != 100:
            books.wrong.append(f"bad chunk: {status} instead of an invitation")
        client.chunk(b"well-formed")
        client.write(b"zz\r\n")
        books.check("bad chunk", await client.response(), 400)


async def no_request(books: Books, number: int) -> None:
    async with await connect(books.port) as client:
        books.uncounted += 1
        client.write(b"HELO gateway.example\r\n\r\n")
        books.check("no request", await client.response(), 400)


async def half_closer(books: Books, number: int) -> None:
    """Close one half behind a whole request: that is leaving."""
    async with await connect(books.port) as client:
        books.sent += 1
        client.request("POST", "/tts", {"X-Request-ID": f"silent-{number}"}, b"Hello.")
        client.writer.write_eof()
        with contextlib.suppress(ConnectionError):
            answer = await client.reader.read()
            if answer and not answer.startswith(b"HTTP/1.1 503"):
                books.wrong.append(f"half-closer: {answer[:80]!r}")


async def stalled_upload(books: Books, number: int) -> None:
    async with await connect(books.port) as client:
        books.sent += 1
        client.begin_upload("/stt", **{"X-Request-ID": f"hear-{number}"})
        client.chunk(b"OggS, and then no more")
        books.check("stalled upload", await client.response(), 408)


async def stalled_reader(books: Books, number: int) -> None:
    """Take nothing of a flood until the gateway has given the call up."""
    async with await connect(books.port, receive_buffer=4096) as client:
        gone = books.gone[number] = asyncio.Event()
        books.sent += 1
        client.request("POST", "/tts", {"X-Request-ID": f"flood-{number}"}, b"Hello.")
        status, _ = await client.head()
        books.codes[status] = books.codes.get(status, 0) + 1
        if status == 200:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            async with asyncio.timeout(SEEN_TIMEOUT):
                await gone.wait()
        del books.gone[number]
        client.leave()


async def dripped_head(books: Books, number: int) -> None:
    async with await connect(books.port) as client:
        books.uncounted += 1
        client.write("POST /tts HTTP/1.1\r\nX-Slow: ")
        closed = asyncio.create_task(client.closed())
        with contextlib.suppress(ConnectionError):
            while not closed.done():
                client.write("y")
                await client.writer.drain()
                await asyncio.wait([closed], timeout=DRIP)
        await closed


async def idler(books: Books, number: int) -> None:
    """Say nothing at all, until the gateway hangs up."""
    async with await connect(books.port) as client:
        books.uncounted += 1
        if not await client.closed():
            books.wrong.append("idler: the gateway spoke first")


async def dubious_head(books: Books, number: int) -> None:
    async with await connect(books.port) as client:
        books.sent += 1
        client.write("POST /tts HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")
        books.check("dubious head", await client.response(), 400)


async def unbelievable_length(books: Books, number: int) -> None:
    async with await connect(books.port) as client:
        books.uncounted += 1
        client.write("POST /tts HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n")
        books.check("signed length", await client.response(), 400)


async def pipeliner(books: Books, number: int) -> None:
    """Send a refused request between two good ones, all at once."""
    async with await connect(books.port) as client:
        books.sent += 3
        for text in (b"Hello.", b"", b"Hello again."):
            client.request("POST", "/tts", {"X-Request-ID": f"speak-{number}"}, text)
        for expected in (200, 400, 200):
            books.check("pipeliner", await client.response(), expected)


async def wants_to_be_asked(books: Books, number: int) -> None:
    """Wait to be asked for a body that is refused."""
    async with await connect(books.port) as client:
        books.sent += 1
        headers = {"Content-Type": "image/png", "Expect": "100-continue", "Content-Length": "9"}
        client.request("POST", "/stt", headers)
        books.check("wants to be asked", await client.response(), 415)


async def answered_early(books: Books, number: int) -> None:
    """Upload to a backend whose answer ends at once: it has failed, whatever its status says."""
    async with await connect(books.port) as client:
        books.sent += 1
        client.begin_upload("/stt", **{"X-Request-ID": f"early-{number}"})
        client.chunk(b"OggS" * 100)
        response = await client.response()
    books.check("early", response, 502)


async def mute_backend(books: Books, number: int) -> None:
    books.check("mute", await speak(books, number, "silent"), 504)
