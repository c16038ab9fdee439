"""The soak's clients: each does one thing, and says whether the gateway did right by it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.soak.backend import pieces, transcripts
from tests.support.client import Response, connect

SEEN_TIMEOUT = 30.0


@dataclass
class Books:
    """What was sent, and what came of it."""

    port: int
    seen: dict[int, asyncio.Event] = field(default_factory=dict)
    sent: int = 0
    """Requests that the gateway must have counted."""
    uncounted: int = 0
    """What was sent that is no request to an endpoint."""
    wrong: list[str] = field(default_factory=list)
    codes: dict[int, int] = field(default_factory=dict)

    def check(self, kind: str, response: Response, *expected: int) -> bool:
        """Note a response; return whether it is the one there for, and not a busy gate's."""
        self.codes[response.status] = self.codes.get(response.status, 0) + 1
        if response.status == 503:
            return False
        if response.status not in expected:
            self.wrong.append(f"{kind}: {response.status} {response.body[:80]!r}")
        return True


Client = Callable[[Books, int], Awaitable[None]]


async def speak(books: Books, number: int, kind: str = "speak") -> Response:
    async with await connect(books.port) as client:
        books.sent += 1
        client.request("POST", "/tts", {"X-Request-ID": f"{kind}-{number}"}, b"Hello there.")
        return await client.response()


async def speaker(books: Books, number: int) -> None:
    response = await speak(books, number)
    if books.check("speak", response, 200) and response.body != b"".join(pieces(number)):
        books.wrong.append(f"speak: not byte for byte: {response.body[:80]!r}")


async def two_on_a_connection(books: Books, number: int) -> None:
    async with await connect(books.port) as client:
        for turn in range(2):
            books.sent += 1
            client.request("POST", "/tts", {"X-Request-ID": f"speak-{number}"}, b"Hello.")
            response = await client.response()
            if books.check("turn", response, 200) and response.body != b"".join(pieces(number)):
                books.wrong.append(f"turn {turn}: not byte for byte")


async def listener(books: Books, number: int) -> None:
    async with await connect(books.port) as client:
        books.sent += 1
        client.begin_upload("/stt", **{"X-Request-ID": f"hear-{number}"})
        for _ in range(3):
            client.chunk(b"OggS" * 100)
            await asyncio.sleep(0)
        client.end_upload()
        response = await client.response()
    if books.check("hear", response, 200) and response.body != b"".join(transcripts(number)):
        books.wrong.append(f"hear: not byte for byte: {response.body[:80]!r}")


async def refused_by_backend(books: Books, number: int) -> None:
    books.check("error", await speak(books, number, "error"), 500)


async def reset_by_backend(books: Books, number: int) -> None:
    books.check("reset", await speak(books, number, "reset"), 502)


def broken_off(kind: str) -> Client:
    async def client(books: Books, number: int) -> None:
        response = await speak(books, number, kind)
        if books.check(kind, response, 200) and response.whole:
            books.wrong.append(f"{kind}: a cut answer passed for a whole one")

    return client


def refused(status: int, headers: dict[str, str], body: bytes, method: str = "POST") -> Client:
    async def client(books: Books, number: int) -> None:
        async with await connect(books.port) as connection:
            books.sent += 1
            connection.request(method, "/tts", headers, body)
            books.check(f"refused with {status}", await connection.response(), status)

    return client


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
    await asyncio.wait(waits)
    del books.seen[number]
    client.leave(reset=number % 2 == 0)


async def bad_chunk(books: Books, number: int) -> None:
    async with await connect(books.port) as client:
        books.sent += 1
        expect = {"Content-Type": "text/plain", "Expect": "100-continue"}
        client.begin_upload("/tts", **expect)
        status, _ = await client.head()  # the request has begun, so it is one to be counted
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


MIX: list[tuple[int, Client]] = [
    (45, speaker),
    (10, two_on_a_connection),
    (12, listener),
    (4, refused_by_backend),
    (3, reset_by_backend),
    (3, broken_off("badchunk")),
    (3, broken_off("cut")),
    (3, refused(415, {"Content-Type": "image/png"}, b"x")),
    (3, refused(413, {}, b"x" * 5000)),
    (2, refused(400, {}, b"")),
    (2, refused(405, {}, b"", "DELETE")),
    (4, leaver),
    (3, leaver_before_the_head),
    (2, bad_chunk),
    (1, no_request),
]
