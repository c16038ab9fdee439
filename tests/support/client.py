"""A client that writes and reads bytes, and hides nothing of what a gateway does."""

import asyncio
import socket
import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

Headers = dict[str, str] | None
Body = bytes | None


@dataclass
class Response:
    """A response as it came; ``whole`` tells a proper end from a break."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool

    @property
    def text(self) -> str:
        return self.body.decode()


class Asked(ABC):
    """What may be asked: a connection, or who can be connected to."""

    @abstractmethod
    async def ask(
        self, method: str, path: str, headers: Headers = None, body: Body = None, http: str = "1.1"
    ) -> Response:
        """Return the response to a request."""

    async def speak(self, text: bytes = b"Hello.", /, **headers: str) -> Response:
        """Have a text spoken; a header's name may have ``_`` where it has ``-``."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("POST", "/tts", fields, text)


class RawClient(Asked):
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._headers: dict[str, str] = {}

    def write(self, data: bytes | str) -> None:
        if self.writer.is_closing():
            raise ConnectionResetError("the gateway has closed the connection")
        self.writer.write(data.encode() if isinstance(data, str) else data)

    def request(
        self, method: str, path: str, headers: Headers = None, body: Body = None, http: str = "1.1"
    ) -> None:
        """Write a request; body None leaves its framing to headers."""
        fields = {"Host": "gateway", **(headers or {})}
        if body is not None:
            fields["Content-Length"] = str(len(body))
        lines = [f"{method} {path} HTTP/{http}", *(f"{k}: {v}" for k, v in fields.items())]
        self.write("\r\n".join(lines) + "\r\n\r\n")
        self.write(body or b"")

    async def ask(
        self, method: str, path: str, headers: Headers = None, body: Body = None, http: str = "1.1"
    ) -> Response:
        """Write a request, and read its response."""
        self.request(method, path, headers, body, http)
        return await self.response()

    def begin_upload(self, path: str = "/stt", **headers: str) -> None:
        """Begin a chunked upload."""
        fields = {"Content-Type": "audio/ogg", "Transfer-Encoding": "chunked", **headers}
        self.request("POST", path, fields)

    def chunk(self, data: bytes) -> None:
        self.write(b"%x\r\n%s\r\n" % (len(data), data))

    def end_upload(self) -> None:
        self.write(b"0\r\n\r\n")

    async def head(self) -> tuple[int, dict[str, str]]:
        raw = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = raw.rstrip("\r\n").split("\r\n")
        self._headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
        return int(status_line.split(" ")[1]), self._headers

    async def piece(self) -> bytes | None:
        """Return the next chunk of a chunked body; b"" at its end, None when it breaks off."""
        try:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            data = await self.reader.readexactly(size + 2)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return data[:-2]

    async def response(self) -> Response:
        """Read a whole response, or as much of it as comes."""
        status, headers = await self.head()
        body, whole = b"", True
        try:
            if "content-length" in headers:
                body = await self.reader.readexactly(int(headers["content-length"]))
            elif headers.get("transfer-encoding") == "chunked":
                while piece := await self.piece():
                    body += piece
                whole = piece is not None
            elif status != 204:  # which never has a body
                body = await self.reader.read()
        except asyncio.IncompleteReadError as error:
            body, whole = error.partial, False
        except ConnectionError:
            whole = False
        return Response(status, headers, body, whole)

    async def closed(self) -> bool:
        """Return whether the gateway closes the connection, with nothing more sent."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    def leave(self, *, reset: bool = False) -> None:
        """Go: with a FIN, or with a reset."""
        sock = self.writer.get_extra_info("socket")
        if reset and sock is not None:  # the gateway may have gone first
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def __aenter__(self) -> "RawClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()  # closing would wait for what is unsent, for ever if nobody takes it


async def check_answers_come_meanwhile(client: RawClient) -> None:
    """Upload two pieces, and have each answered before more is sent; see answer_each_piece."""
    client.begin_upload()
    client.chunk(b"one")
    await client.head()
    assert await client.piece() == b"one\n"
    client.chunk(b"two")
    assert await client.piece() == b"two\n"
    client.end_upload()
    assert await client.piece() == b""


class Reachable(Asked):
    """Who can be connected to, for requests on connections of their own."""

    @abstractmethod
    async def connect(self) -> RawClient: ...

    async def ask(
        self, method: str, path: str, headers: Headers = None, body: Body = None, http: str = "1.1"
    ) -> Response:
        """Return the response to a request."""
        async with await self.connect() as client:
            return await client.ask(method, path, headers, body, http)


async def connect(
    port: int,
    *,
    receive_buffer: int | None = None,
    host: str = "127.0.0.1",
    sock: socket.socket | None = None,
) -> RawClient:
    """Connect, through sock where that is another machine's."""
    sock = sock or socket.socket()
    sock.setblocking(False)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (host, port))
    except BaseException:
        sock.close()
        raise
    return RawClient(*await asyncio.open_connection(sock=sock))


async def connect_to_file(path: Path) -> RawClient:
    """Connect to a unix socket."""
    return RawClient(*await asyncio.open_unix_connection(str(path)))
