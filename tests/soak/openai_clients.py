"""The soak's OpenAI clients: speech in several formats, and uploads of up to 25 MiB."""

import json
import struct
from functools import cache

from tests.soak.books import Books, Client
from tests.support.audio import heard
from tests.support.client import RawClient, Response, connect

MIB = 1024 * 1024
MAX_UPLOAD = 25 * MIB
MIN_SAMPLES = 9_000
"""Of the 0.4 s that the backend speaks, at 24 kHz."""
RATE = 384_000
"""Samples a second: a file of 25 MiB is half a minute, for there is a lot else to do."""
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
LANGUAGE = b'\r\n--b\r\nContent-Disposition: form-data; name="language"\r\n\r\nen\r\n--b--\r\n'
PIECE = 256 * 1024


@cache
def wav(size: int) -> bytes:
    """Return a file of size bytes with silence in it."""
    samples = size - 44
    fields = (16, 1, 1, RATE, RATE * 2, 2, 16)
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", size - 8, b"WAVE", b"fmt ", *fields)
    return head + struct.pack("<4sI", b"data", samples) + bytes(samples)


def order(response_format: str) -> Client:
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
    body = json.dumps(
        {"model": "tts-1", "input": "Hello.", "voice": "alloy", "response_format": response_format}
    )
    headers = {"Content-Type": "application/json", "X-Request-ID": f"{kind}-{number}"}
    async with await connect(books.port) as client:
        books.sent += 1
        client.request("POST", "/v1/audio/speech", headers, body.encode())
        return await client.response()


def samples_of(audio: bytes, response_format: str) -> int:
    if response_format == "opus":
        return MIN_SAMPLES if audio.startswith(b"OggS") else 0
    return len(audio) // 2 if response_format == "pcm" else len(heard(audio)[0]) // 2


async def transcription(books: Books, number: int) -> None:
    await transcribe(books, number, wav(100_000))


async def large_upload(books: Books, number: int) -> None:
    """Upload a file of 1 to 25 MiB, the largest that there may be."""
    await transcribe(books, number, wav((1, 2, 5, 25)[number % 4] * MIB))


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
        file = wav(MIB)
        books.sent += 1
        headers = FORM | {"X-Request-ID": f"hear-{number}", "Content-Length": str(len(file))}
        client.request("POST", "/v1/audio/transcriptions", headers)
        client.write(FILE + file[: len(file) // 2])
        await client.writer.drain()
        client.leave(reset=number % 2 == 0)


async def upload(books: Books, client: RawClient, number: int, file: bytes) -> None:
    size = len(FILE) + len(file) + len(LANGUAGE)
    headers = FORM | {"X-Request-ID": f"hear-{number}", "Content-Length": str(size)}
    books.sent += 1
    client.request("POST", "/v1/audio/transcriptions", headers)
    client.write(FILE)
    for at in range(0, len(file), PIECE):
        client.write(file[at : at + PIECE])
        await client.writer.drain()
    client.write(LANGUAGE)
