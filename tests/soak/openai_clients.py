"""The soak's OpenAI clients: speech in several formats, and uploads of up to 25 MiB."""

import json

from tests.soak.books import Books, Client
from tests.support.audio import heard, silent_wav
from tests.support.client import RawClient, Response, connect
from tests.support.openai_api import (
    BEFORE_FILE,
    BEHIND_FILE,
    FORM,
    JSON,
    ORDER,
    SPEECH_PATH,
    TRANSCRIPTIONS_PATH,
)

MIB = 1024 * 1024
MAX_UPLOAD = 25 * MIB
MIN_SAMPLES = 9_000
"""Of the 0.4 s that the backend speaks, at 24 kHz."""
PIECE = 256 * 1024


def ordering(response_format: str) -> Client:
    """Return a client that orders speech in a format, and looks whether it is all there."""

    async def client(books: Books, number: int) -> None:
        response = await speak(books, number, "voice", response_format)
        if not books.check(response_format, response, 200):
            return
        if not response.whole or samples_of(response.body, response_format) < MIN_SAMPLES:
            books.wrong.append(f"{response_format}: {len(response.body)} bytes")

    return client


async def muted_speech(books: Books, number: int) -> None:
    """Order speech of a voice that fails at once."""
    books.check("mute voice", await speak(books, number, "mute", "mp3"), 502)


async def speak(books: Books, number: int, kind: str, response_format: str) -> Response:
    body = json.dumps(ORDER | {"response_format": response_format}).encode()
    headers = JSON | {"X-Request-ID": f"{kind}-{number}"}
    async with await connect(books.port) as client:
        books.sent += 1
        return await client.ask("POST", SPEECH_PATH, headers, body)


def samples_of(audio: bytes, response_format: str) -> int:
    if response_format == "opus":
        return MIN_SAMPLES if audio.startswith(b"OggS") else 0
    return len(audio) // 2 if response_format == "pcm" else len(heard(audio)[0]) // 2


async def transcription(books: Books, number: int) -> None:
    await transcribe(books, number, silent_wav(100_000))


async def large_upload(books: Books, number: int) -> None:
    """Upload a file of 1 to 25 MiB, the largest that there may be."""
    await transcribe(books, number, silent_wav((1, 2, 5, 25)[number % 4] * MIB))


async def transcribe(books: Books, number: int, file: bytes) -> None:
    async with await connect(books.port) as client:
        await upload(books, client, number, file)
        response = await client.response()
    if books.check("transcription", response, 200):
        text = json.loads(response.body)["text"]
        if text != " ".join([str(number)] * 3):
            books.wrong.append(f"transcription {number}: {text!r}")


async def too_large_an_upload(books: Books, number: int) -> None:
    """Send a file that is refused by its length, and look at the answer only afterwards."""
    async with await connect(books.port) as client:
        await upload(books, client, number, bytes(MAX_UPLOAD + MIB))
        books.check("too large", await client.response(), 413)


async def stops_in_its_upload(books: Books, number: int) -> None:
    """Leave in the middle of a file."""
    async with await connect(books.port) as client:
        file = silent_wav(MIB)
        books.sent += 1
        headers = FORM | {"X-Request-ID": f"hear-{number}", "Content-Length": str(len(file))}
        client.request("POST", TRANSCRIPTIONS_PATH, headers)
        client.write(BEFORE_FILE + file[: len(file) // 2])
        await client.writer.drain()
        client.leave(reset=number % 2 == 0)


async def upload(books: Books, client: RawClient, number: int, file: bytes) -> None:
    size = len(BEFORE_FILE) + len(file) + len(BEHIND_FILE)
    headers = FORM | {"X-Request-ID": f"hear-{number}", "Content-Length": str(size)}
    books.sent += 1
    client.request("POST", TRANSCRIPTIONS_PATH, headers)
    client.write(BEFORE_FILE)
    for at in range(0, len(file), PIECE):
        client.write(file[at : at + PIECE])
        await client.writer.drain()
    client.write(BEHIND_FILE)
