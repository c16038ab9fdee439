"""Reads the client's body: asked for when it is needed, limited in size and in time."""

import asyncio

from aiohttp import hdrs, web

from ..endpoints import Endpoint
from ..exchange import EXCHANGE
from .upload_rate import UploadRate

MAX_PIECE_BYTES = 64 * 1024
"""Bytes of a piece; without a limit it may be a megabyte, which is copied several times."""


def too_large(limit: int) -> web.HTTPException:
    """Return the 413 for a body over limit (bytes)."""
    # aiohttp's own class wants the actual size, which nobody knows of an endless upload
    return web.HTTPRequestEntityTooLarge(
        limit, limit + 1, text=f"the body is too large; at most {limit} bytes are taken\n"
    )


def no_body(endpoint: Endpoint) -> web.HTTPException:
    """Return the 400 for a body with nothing in it."""
    return web.HTTPBadRequest(
        text=f"there is no {endpoint.noun}; send {endpoint.noun} as the body of the request\n"
    )


class RequestBody:
    """Reads one request's body, at most limit bytes of it.

    The client may be silent for timeout seconds, and send no slower than min_rate bytes a second.
    """

    def __init__(
        self, request: web.Request, *, limit: int, timeout: float, min_rate: float = 0.0
    ) -> None:
        self._content = request.content
        self._exchange = request[EXCHANGE]
        self._limit = limit
        self._timeout = timeout
        self._rate = UploadRate(min_rate) if min_rate else None
        _send_continue(request)

    async def read(self) -> bytes:
        """Return the bytes since the last read, at most 64 KiB; nothing at the end.

        Raises:
            web.HTTPException: 408 when the client is silent or too slow, 413 over the limit, 400
                when the body is malformed or empty.
        """
        piece = await self._next_piece()
        exchange = self._exchange
        exchange.bytes_in = received = exchange.bytes_in + len(piece)
        if received > self._limit:
            raise too_large(self._limit)
        if not received:
            raise no_body(exchange.endpoint)
        return piece

    async def _next_piece(self) -> bytes:
        try:
            if self._content.is_eof():  # the rest has come, so there is no wait to bound
                return self._content.read_nowait(MAX_PIECE_BYTES)
            return await self._wait_for_piece()
        except web.RequestPayloadError:
            raise web.HTTPBadRequest(
                text="the body is malformed; send it whole, or in well-formed chunks\n"
            ) from None

    async def _wait_for_piece(self) -> bytes:
        exchange = self._exchange
        since = exchange.clock()
        while True:
            # Bytes to the client count as life too, so the deadline may have moved meanwhile.
            deadline = max(since, exchange.moved) + self._timeout
            try:
                async with asyncio.timeout_at(deadline):
                    piece: bytes = await self._content.read(MAX_PIECE_BYTES)
            except TimeoutError:
                if max(since, exchange.moved) + self._timeout <= exchange.clock():
                    raise web.HTTPRequestTimeout(
                        text=f"nothing of the body came for {self._timeout:g} s; keep sending\n"
                    ) from None
            else:
                exchange.touch()
                if self._rate is not None and piece:
                    self._check_rate(self._rate, len(piece), exchange.moved - since)
                return piece

    def _check_rate(self, rate: UploadRate, size: int, waited: float) -> None:
        if not rate.is_enough(size, waited):
            raise web.HTTPRequestTimeout(
                text=f"the body comes more slowly than {rate.min_rate:g} bytes a second; "
                "send it as it is recorded, or faster\n"
            )


def _send_continue(request: web.Request) -> None:
    """Send 100 Continue if the client waits for it (RFC 9110, section 10.1.1)."""
    expects = request.headers.get(hdrs.EXPECT, "").lower() == "100-continue"
    unsent = not request.content.is_eof() and not request.content.total_bytes
    if expects and unsent and request.version >= (1, 1) and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def defer_continue(_request: web.Request) -> None:
    """Replace aiohttp's expect handler, which would ask for a body that may yet be refused."""
