"""A backend that checks each call byte by byte, and answers as a test scripts it."""

import asyncio
import json
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

OK_CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: audio/ogg\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def answer(body: bytes, status: str = "200 OK", content_type: str = "audio/ogg") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass
class BackendCall:
    """One connection to the backend; a script reads the call from it and writes the answer."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request_line: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    header_order: list[str] = field(default_factory=list)
    config: bytes = b""
    part_headers: list[bytes] = field(default_factory=list)
    boundary: bytes = b""
    media_ended: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    _body: bytes = b""
    _body_ended: bool = False

    @property
    def is_question(self) -> bool:
        """Whether something is asked, and nothing to be run."""
        return "/api/v1/process " not in self.request_line

    def question(self) -> dict[str, Any]:
        """Return what came with a question, which is JSON."""
        asked: dict[str, Any] = json.loads(self._body)
        return asked

    async def read_head(self) -> None:
        raw = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.request_line, *lines = raw.rstrip("\r\n").split("\r\n")
        for line in lines:
            name, _, value = line.partition(": ")
            assert name.lower() not in self.headers, f"{name} came twice"
            self.headers[name.lower()] = value
            self.header_order.append(name)

    async def begin(self) -> None:
        """Read the call up to the first byte of media, and check all of it."""
        await self.read_head()
        if self.is_question:
            self._body = await self.reader.readexactly(int(self.headers.get("content-length", 0)))
            return
        match = re.fullmatch(
            r"multipart/form-data; boundary=([\w'()+,./:=?-]{1,70})", self.headers["content-type"]
        )
        assert match
        self.boundary = match[1].encode()
        opening = await self._body_until(b"\r\n\r\n")
        assert opening == b'--%s\r\nContent-Disposition: form-data; name="config"' % self.boundary
        self.config = await self._body_until(b"\r\n--%s\r\n" % self.boundary)
        self.part_headers = (await self._body_until(b"\r\n\r\n")).split(b"\r\n")

    async def media(self) -> bytes:
        """Return some media, nothing at its end; holds back no more than the closing boundary."""
        closing = b"\r\n--%s--\r\n" % self.boundary
        while True:
            found = self._body.find(closing)
            if found == 0:
                assert await self._at_end(), "the call goes on after its last boundary"
                self.media_ended.set()
                return b""
            ready = found if found > 0 else self._free_of(closing)
            if ready:
                piece, self._body = self._body[:ready], self._body[ready:]
                assert self.boundary not in piece
                return piece
            await self._more()

    async def whole_media(self) -> bytes:
        media = b""
        while piece := await self.media():
            media += piece
        return media

    async def write(self, data: bytes) -> None:
        if self.writer.is_closing():
            raise ConnectionResetError("the gateway has closed the connection")
        self.writer.write(data)
        await self.writer.drain()

    async def until_closed(self) -> None:
        """Wait until the gateway has closed this connection."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass
        self.closed.set()

    def _free_of(self, closing: bytes) -> int:
        for held in range(min(len(closing), len(self._body)), 0, -1):
            if self._body.endswith(closing[:held]):
                return len(self._body) - held
        return len(self._body)

    async def _body_until(self, end: bytes) -> bytes:
        while end not in self._body:
            await self._more()
        before, _, self._body = self._body.partition(end)
        return before

    async def _at_end(self) -> bool:
        expected = b"\r\n--%s--\r\n" % self.boundary
        while not self._body_ended:
            await self._more()
        return self._body == expected

    async def _more(self) -> None:
        assert not self._body_ended, "the call ended too early"
        if "content-length" in self.headers:
            assert "transfer-encoding" not in self.headers
            self._body += await self.reader.readexactly(int(self.headers["content-length"]))
            self._body_ended = True
            return
        assert self.headers["transfer-encoding"] == "chunked"
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        data = await self.reader.readexactly(size + 2)
        assert data.endswith(b"\r\n")
        self._body += data[:-2]
        self._body_ended = size == 0


Script = Callable[[BackendCall], Awaitable[None]]


@dataclass
class ScriptedBackend:
    """Answers every call by ``script``; keeps the calls, and what went wrong in them."""

    url: str
    script: Script
    calls: asyncio.Queue[BackendCall] = field(default_factory=asyncio.Queue)
    seen: int = 0
    broken: list[Exception] = field(default_factory=list)
    healthy: bool = True
    mute: bool = False
    """Whether what is asked beside the calls is left without an answer."""
    pages: dict[str, str] = field(default_factory=dict)
    """Statuses of what is asked, by path, where health does not decide."""
    bodies: dict[str, object] = field(default_factory=dict)
    """What is answered to questions, by path, as JSON; ``ok`` where there is nothing."""
    asked: list[BackendCall] = field(default_factory=list)
    """What was asked beside the calls."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = BackendCall(reader, writer)
        try:
            await call.begin()
            if call.is_question:
                self.asked.append(call)
                if self.mute:
                    await call.until_closed()
                    return
                health = "200 OK" if self.healthy else "503 Service Unavailable"
                path = call.request_line.split(" ")[1]
                body = json.dumps(self.bodies[path]).encode() if path in self.bodies else b"ok"
                await call.write(answer(body, self.pages.get(path, health), "text/plain"))
                return
            self.seen += 1
            self.calls.put_nowait(call)
            await self.script(call)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the gateway closed: what that means is the test's to say
        except Exception as error:
            self.broken.append(error)
            raise
        finally:
            call.closed.set()


async def answer_ogg(call: BackendCall) -> None:
    """Answer whatever comes with the same few bytes."""
    await call.whole_media()
    await call.write(answer(b"OggS-speech"))


def says(*parts: bytes, then: str = "closes") -> Script:
    """Return a script that writes parts, then closes, resets or is silent."""

    async def script(call: BackendCall) -> None:
        await call.whole_media()
        for part in parts:
            await call.write(part)
        if then == "resets":
            call.writer.transport.abort()
        elif then == "is silent":
            await call.until_closed()

    return script


def transcript(text: str, **more: object) -> bytes:
    """Return the line in which a backend tells what it heard, as compact as StreamKit's."""
    heard = {"text": text, "segments": [], **more}
    return json.dumps({"Transcription": heard}, separators=(",", ":")).encode() + b"\n"


def hears(text: str, **more: object) -> Script:
    """Return a script that hears the same in whatever comes."""
    return says(OK_CHUNKED, chunk(transcript(text, **more)), LAST_CHUNK)


def hears_in_two(first: str, second: str) -> Script:
    """Return a script that hears something at once, and the rest when all has come."""

    async def script(call: BackendCall) -> None:
        await call.media()
        await call.write(OK_CHUNKED + chunk(transcript(first)))
        await call.whole_media()
        await call.write(chunk(transcript(second)) + LAST_CHUNK)

    return script


async def answer_each_piece(call: BackendCall) -> None:
    """Answer each piece of the upload with a line, as soon as it comes."""
    await call.write(OK_CHUNKED)
    while media := await call.media():
        await call.write(chunk(media + b"\n"))
    await call.write(LAST_CHUNK)


def hold_after(backend: "ScriptedBackend", first: bytes, rest: bytes) -> asyncio.Event:
    """Have backend answer the first piece at once, and the rest when the event is set."""
    release = asyncio.Event()

    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(OK_CHUNKED + chunk(first))
        await release.wait()
        await call.write(chunk(rest) + LAST_CHUNK)

    backend.script = script
    return release


def hold(backend: ScriptedBackend, said: bytes = answer(b"done")) -> asyncio.Event:
    """Have backend answer nothing until the event is set."""
    release = asyncio.Event()

    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await release.wait()
        await call.write(said)

    backend.script = script
    return release


def kept_media(backend: ScriptedBackend, said: bytes = answer(b"sound")) -> list[bytes]:
    """Have backend keep the media of each whole call, and return where it does."""
    received: list[bytes] = []

    async def script(call: BackendCall) -> None:
        received.append(await call.whole_media())
        await call.write(said)

    backend.script = script
    return received


@asynccontextmanager
async def scripted_backend(
    script: Script = answer_ogg,
    *,
    tls: ssl.SSLContext | None = None,
    listener: socket.socket | None = None,
) -> AsyncIterator[ScriptedBackend]:
    """Serve on a free port of loopback, or on a listener that is bound already."""
    backend = ScriptedBackend("", script)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(backend.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        # not by the task itself: one that is cancelled before it begins does nothing at all
        task.add_done_callback(lambda _: writer.close())

    if listener is None:
        listener = socket.create_server(("127.0.0.1", 0))
    server = await asyncio.start_server(accept, sock=listener, ssl=tls)
    backend.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield backend
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not backend.broken, backend.broken
