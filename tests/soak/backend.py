"""A quick backend: what it does is written in the request's id."""

import asyncio
import re

from tests.soak.books import Books
from tests.support.backend import chunk
from tests.support.ogg import cut_at_pages
from tests.support.streamkit import streamkit_speech, without_sound

_ID = re.compile(rb"X-Request-ID: ([a-z]+)-(-?\d+)")
_WITHOUT_ID = re.compile(rb"X-StreamKit-Service: (tts|stt)\r\n")
"""Of clients that give no ids: Wyoming's."""
KINDS = {b"tts": "voice", b"stt": "hear"}
"""What they get."""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: audio/ogg\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECES = 12
HEAD_BYTES = 4096
MAX_HELD_BYTES = 64 * 1024
SPEECH = cut_at_pages(streamkit_speech(0.4))
WHOLE = {
    "error": b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno",
    "mute": HEAD + chunk(without_sound()) + b"0\r\n\r\n",
}
"""Answers after which another call may follow, by kind."""


def pieces(number: int) -> list[bytes]:
    """Return what is spoken for request number: every byte depends on it."""
    return [b"%08d:%02d;" % (number, index) * 10 for index in range(PIECES)]


def transcripts(number: int) -> list[bytes]:
    """Return the transcripts of request number, as the client is to see them."""
    return [b'{"text":"%d","n":%d}\n' % (number, index) for index in range(3)]


class SoakBackend(asyncio.Protocol):
    """Answers one text after another, or one upload; tells the books of calls and their ends."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None
        self._number: int | None = None
        self._flooding = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        if self._number in self._books.gone:
            self._books.gone[self._number].set()

    def data_received(self, data: bytes) -> None:
        if self._number is not None:
            return
        self._data += data
        if self._data.startswith(b"GET ") and self._data.endswith(b"\r\n\r\n"):
            self._tell_its_health()
            return
        match = _ID.search(self._data[:HEAD_BYTES])
        if (
            len(self._data) > 2 * MAX_HELD_BYTES
        ):  # of a large upload, its beginning and its end will do
            del self._data[HEAD_BYTES:-MAX_HELD_BYTES]
        whole = self._data.endswith((b"--\r\n", b"0\r\n\r\n"))
        if match and (whole or match[1] == b"early"):
            self._number = int(match[2])
            self._answer(match[1].decode(), self._number)
        elif not match and whole and (service := _WITHOUT_ID.search(self._data[:HEAD_BYTES])):
            self._number = 0
            self._answer(KINDS[service[1]], self._number)

    def resume_writing(self) -> None:
        if self._flooding:
            self._flood()

    def _tell_its_health(self) -> None:
        if self._transport is not None:
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            self._data.clear()

    def _answer(self, kind: str, number: int) -> None:
        transport = self._transport
        if transport is None:
            return
        if number in self._books.seen:
            self._books.seen[number].set()
        spoken = [chunk(piece) for piece in pieces(number)]
        if kind in WHOLE:
            transport.write(WHOLE[kind])
            self._expect_another()
        elif kind == "reset":
            transport.abort()
        elif kind == "badchunk":
            transport.write(HEAD + spoken[0] + b"zz\r\n")
        elif kind == "cut":
            transport.write(HEAD + b"".join(spoken[:3]))
            transport.close()
        elif kind == "hear":
            lines = [b'{"Transcription":' + line[:-1] + b"}\n" for line in transcripts(number)]
            transport.write(HEAD + b"".join(map(chunk, lines)) + b"0\r\n\r\n")
        elif kind == "early":
            transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nearly\n")
        elif kind == "voice":
            self._drip(HEAD, [chunk(page) for page in SPEECH])
        elif kind == "flood":
            transport.write(HEAD)
            self._flood()
        elif kind == "leave":
            transport.write(HEAD + spoken[0])
        elif kind != "silent":
            self._drip(HEAD, spoken)

    def _drip(self, head: bytes, spoken: list[bytes]) -> None:
        """Write a third now and the rest a little later, as a speaker would."""
        assert self._transport is not None
        self._transport.write(head + b"".join(spoken[:4]))
        asyncio.get_running_loop().call_later(0.005, self._finish, b"".join(spoken[4:]))

    def _flood(self) -> None:
        """Write until the gateway takes no more; when it does again, go on."""
        self._flooding = True
        while self._transport is not None and not self._transport.get_write_buffer_size():
            self._transport.write(chunk(bytes(32768)))

    def _finish(self, rest: bytes) -> None:
        if self._transport is not None:
            self._transport.write(rest + b"0\r\n\r\n")
            self._expect_another()

    def _expect_another(self) -> None:
        self._number = None
        self._data.clear()
