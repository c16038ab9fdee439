"""Questions to the backend beside the calls: each on a connection of its own."""

from dataclasses import dataclass

from ..config.addresses import UpstreamAddress
from .connector import Connector

MAX_BODY = 1024 * 1024
"""Bytes of an answer that is taken; a list of all nodes has some hundred thousand."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the backend answered; nothing of a body that is too long."""

    status: int
    body: bytes


class Questions:
    """Asks one backend; all methods raise UpstreamError."""

    def __init__(self, connector: Connector, address: UpstreamAddress) -> None:
        self._connector = connector
        self._address = address

    async def get(self, path: str, authorization: str = "") -> Reply:
        """Ask for path; authorization is a whole header line, or nothing."""
        return await self._ask(f"GET {self._address.base_path}{path} HTTP/1.1", authorization, b"")

    async def post_json(self, path: str, body: bytes, authorization: str) -> Reply:
        """Send JSON to path."""
        headers = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        line = f"POST {self._address.base_path}{path} HTTP/1.1"
        return await self._ask(line, headers + authorization, body)

    async def _ask(self, request_line: str, headers: str, body: bytes) -> Reply:
        request = (
            f"{request_line}\r\nHost: {self._address.host_header}\r\n"
            f"{headers}Connection: close\r\n\r\n"
        )
        upstream = await self._connector.connect()
        try:
            upstream.send(request.encode("latin-1") + body)
            upstream.request_sent()
            status = (await upstream.head()).status
            answer = bytearray()
            while piece := await upstream.read():
                answer += piece
                if len(answer) > MAX_BODY:
                    return Reply(status, b"")
            return Reply(status, bytes(answer))
        finally:
            upstream.close()
