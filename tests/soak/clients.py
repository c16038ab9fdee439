"""The soak's well-behaved clients: each says whether the gateway did right by it."""

import asyncio

from tests.soak.backend import pieces, transcripts
from tests.soak.books import Books, Client
from tests.support.client import Response, connect


async def speak(books: Books, number: int, kind: str = "speak") -> Response:
    async with await connect(books.port) as client:
        books.sent += 1
        return await client.speak(X_Request_ID=f"{kind}-{number}")


async def speaker(books: Books, number: int) -> None:
    response = await speak(books, number)
    if books.check("speak", response, 200) and response.body != b"".join(pieces(number)):
        books.wrong.append(f"speak: not byte for byte: {response.body[:80]!r}")


async def two_on_a_connection(books: Books, number: int) -> None:
    async with await connect(books.port) as client:
        for turn in range(2):
            books.sent += 1
            response = await client.speak(X_Request_ID=f"speak-{number}")
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
