"""Carries the backend's answer to the client, piece by piece, and sees how it ends."""

import asyncio
import contextlib
import logging
import socket
import struct

from aiohttp import web

from .exchange import CLIENT_LEFT, EXCHANGE, REQUEST_ID
from .persistence import decide_persistence
from .skit import Answer, Call, as_refusal
from .transcripts import Unwrapper
from .upstream import UpstreamError

WRITE_HIGH_WATER = 32 * 1024
"""Bytes written and not yet taken by the client's kernel at which writing waits."""
LAST_WORDS_TIMEOUT = 1.0
"""Seconds that a client gets to take what was relayed before a break."""
LOOKS_PER_TIMEOUT = 4

log = logging.getLogger(__name__)


def break_off(request: web.Request, status: int) -> None:
    """Break the client's connection, so that what it has cannot pass for a whole answer.

    Status is the reason's, for the metrics. A client of HTTP/1.0 takes a plain close for the end of
    the body (RFC 9112, section 6.3), so the connection is reset under it.
    """
    exchange = request.get(EXCHANGE)
    if exchange is not None and exchange.cut is None and exchange.code == CLIENT_LEFT:
        exchange.cut = status  # unless all of it was sent, and only the connection is to go
    if (transport := request.transport) is None:
        return
    if request.version < (1, 1) and (sock := transport.get_extra_info("socket")) is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class _ClientSide:
    """Writes to the client, and breaks off when it has taken no byte for timeout seconds.

    One timer an answer, instead of one a piece.
    """

    def __init__(self, request: web.Request, response: web.StreamResponse, timeout: float) -> None:
        self._request = request
        self._response = response
        self._exchange = request[EXCHANGE]
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._writing = False
        self._unsent = 0
        self._taken_at = self._loop.time()
        self._timer = self._loop.call_later(timeout / LOOKS_PER_TIMEOUT, self._look)

    async def write(self, piece: bytes) -> None:
        """Send piece on, and wait while the client is slow."""
        exchange = self._exchange
        if exchange.first_byte_after is None:
            exchange.first_byte_after = exchange.seconds()
        exchange.bytes_out += len(piece)
        self._writing = True
        await self._response.write(piece)
        self._writing = False
        exchange.moved = self._loop.time()

    async def end(self) -> None:
        """End the answer, and see the last byte off to the client's kernel."""
        self._writing = True
        await self._response.write_eof()
        await _flush(self._request)
        # From here on the client may go: it has been sent everything.
        self._exchange.code = self._response.status

    def stop(self) -> None:
        """Stop watching."""
        self._timer.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        transport = self._request.transport
        unsent = transport.get_write_buffer_size() if transport is not None else 0
        if not self._writing or unsent != self._unsent:
            self._taken_at = now
        self._unsent = unsent
        if now - max(self._taken_at, self._exchange.moved) >= self._timeout:
            log.info("%s is broken off: its client takes nothing", self._request[REQUEST_ID])
            break_off(self._request, CLIENT_LEFT)
        else:
            self._timer = self._loop.call_later(self._timeout / LOOKS_PER_TIMEOUT, self._look)


async def relay(request: web.Request, call: Call, timeout: float) -> web.StreamResponse:
    """Answer request with what the backend answers; timeout is the client's, in seconds.

    Raises:
        web.HTTPException: there is nothing to relay, for a fault of the backend's or the upload's.
    """
    try:
        answer = await call.answer()
    except UpstreamError as error:
        log.warning("%s failed at the backend: %s", request[REQUEST_ID], error)
        raise as_refusal(error) from error
    if answer.status >= 400:
        return await _backend_error(request, call, answer)
    _bound_memory(request)
    endpoint = request[EXCHANGE].endpoint
    headers = _headers(answer, endpoint.answer_type)
    response = web.StreamResponse(status=answer.status, headers=headers)
    decide_persistence(request, response, streamed=True)
    client = _ClientSide(request, response, timeout)
    try:
        await response.prepare(request)
        await _carry(call, client, Unwrapper() if endpoint.transcribes else None)
    except UpstreamError as error:
        log.warning("%s was broken off by the backend: %s", request[REQUEST_ID], error)
        await _break_after_last_words(request, as_refusal(error).status)
    except web.HTTPException as fault:
        log.info("%s is broken off for its upload: %s", request[REQUEST_ID], fault.text)
        await _break_after_last_words(request, fault.status)
    except ConnectionError:
        break_off(request, CLIENT_LEFT)
    finally:
        client.stop()
    return response


async def _carry(call: Call, client: _ClientSide, unwrapper: Unwrapper | None) -> None:
    while piece := await call.read():
        if unwrapper is not None:
            piece = unwrapper.feed(piece)
        if piece:
            await client.write(piece)
    if unwrapper is not None and (rest := unwrapper.flush()):
        await client.write(rest)
    await client.end()


async def _backend_error(request: web.Request, call: Call, answer: Answer) -> web.Response:
    """Return the backend's error as it may be passed back."""
    body = await call.error_body()
    log.info("%s was refused by the backend with %d", request[REQUEST_ID], answer.status)
    if not body:
        text = f"the speech backend refused this request with {answer.status}\n"
        return web.Response(status=answer.status, text=text)
    headers = _headers(answer, "text/plain; charset=utf-8")
    return web.Response(status=answer.status, body=body, headers=headers)


def _bound_memory(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)


def _headers(answer: Answer, content_type: str) -> dict[str, str]:
    """Return what may be passed back of the head; content_type is for an answer without one."""
    headers = {"Content-Type": answer.content_type or content_type}
    if answer.retry_after is not None:
        headers["Retry-After"] = answer.retry_after
    return headers


async def _flush(request: web.Request) -> None:
    """Wait until the kernel has all that was written."""
    transport = request.transport
    if transport is None or not transport.get_write_buffer_size():
        return
    transport.set_write_buffer_limits(high=0)
    try:
        await request.writer.drain()
    finally:
        if not transport.is_closing():
            transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)


async def _break_after_last_words(request: web.Request, status: int) -> None:
    """Break off, once the client has had the chance to take what was relayed before."""
    request[EXCHANGE].cut = status
    try:
        async with asyncio.timeout(LAST_WORDS_TIMEOUT):
            await _flush(request)
    except (TimeoutError, ConnectionError):
        log.debug("%s did not take what it was sent before the break", request[REQUEST_ID])
    finally:
        break_off(request, status)
