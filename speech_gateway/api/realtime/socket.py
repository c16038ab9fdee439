"""A client's websocket: events as JSON, within bounds, and whether the client is still there."""

import asyncio
import json
import logging
import struct
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from secrets import token_hex
from typing import Any

from aiohttp import HttpVersion11, WSCloseCode, WSMessage, WSMsgType, hdrs, web

from ...exchange import CLIENT_LEFT
from ...server.response_writer import break_off
from ...server.websocket_head import subprotocols
from ...timeout_checker import TimeoutChecker
from ..openai.error_format import error_object

MAX_FRAME = 1024 * 1024
"""Bytes of an event; OpenAI's clients send 50 to 100 ms of audio in one, Open WebUI up to 1 s."""
FRAMES_A_TURN = 8
"""Frames of one client that are taken before others have their turn: some 0.5 ms."""
MAX_VALUES = 10_000
"""Commas and brackets in an event: each may become an object, and audio has none."""
SMALL_EVENT = 16 * 1024
"""Bytes in which there can be no more than that."""
MAX_ID = 512
"""Characters of an event's id, as OpenAI has it."""
PROTOCOL = "realtime"
_MALFORMED = "this is no well-formed text frame; see RFC 6455"
_REFUSALS: Mapping[int, str] = {
    WSCloseCode.MESSAGE_TOO_BIG: f"a frame may have at most {MAX_FRAME} bytes",
    WSCloseCode.PROTOCOL_ERROR: _MALFORMED,
    WSCloseCode.INVALID_TEXT: _MALFORMED,
}
"""What is said of a wrong frame, by the code that the connection is closed with."""
CLOSE_TIMEOUT = 2.0
"""Seconds that a client gets to answer a close."""

log = logging.getLogger(__name__)

Event = Mapping[str, Any]


class BadEventError(Exception):
    """What came is no event; the message is for people."""


class RealtimeSocket:
    """One client's websocket. A client that is silent for long is asked whether it is there.

    Args:
        timeout: seconds that a client may take nothing, or answer no ping.
        checker: asks now and then, for all sockets.
    """

    def __init__(self, request: web.Request, timeout: float, checker: TimeoutChecker) -> None:
        self._request = request
        self._timeout = timeout
        self._checker = checker
        self._loop = asyncio.get_running_loop()
        self._ws = _WebSocket(
            timeout=CLOSE_TIMEOUT,
            autoping=False,
            protocols=(PROTOCOL,),
            compress=False,  # base64 of audio hardly gets smaller, for much processor time
            max_msg_size=MAX_FRAME + 1,  # which is refused
            decode_text=False,
        )
        self._receiving = False
        self._received = 0
        """Frames."""
        self._heard = self._loop.time()
        """When something came last, or could have come."""
        self._pings: set[asyncio.Task[None]] = set()

    @property
    def response(self) -> web.StreamResponse:
        """The answer to the handshake, which lasts as long as the connection."""
        return self._ws

    @property
    def close_code(self) -> int | None:
        """The code that the connection was closed with, by either side; None while it is open."""
        return self._ws.refused or self._ws.close_code

    async def open(self) -> None:
        """Answer the handshake.

        Raises:
            web.HTTPException: it is none, or a wrong one.
        """
        if self._request.version < HttpVersion11 or self._request.body_exists:
            raise web.HTTPBadRequest(text="a websocket's handshake is HTTP/1.1, without a body\n")
        offered = subprotocols(self._request)
        if offered and PROTOCOL not in offered:  # aiohttp would log them, with the key among them
            raise web.HTTPBadRequest(text=f"offer the subprotocol {PROTOCOL}, or none\n")
        if self._request.headers.get(hdrs.UPGRADE, "").strip().lower() != "websocket":
            raise web.HTTPUpgradeRequired(
                text=f"{self._request.path} is a websocket; connect with ws:// or wss://\n",
                headers={hdrs.UPGRADE: "websocket"},
            )
        try:
            await self._ws.prepare(self._request)
        except web.HTTPBadRequest:
            raise web.HTTPBadRequest(
                text="this is no well-formed websocket handshake; see RFC 6455\n"
            ) from None
        self._heard = self._loop.time()
        self._checker.add(self._check)

    async def receive(self) -> Event | None:
        """Return the next event; None when the connection is closed.

        Raises:
            BadEventError: it is none.
        """
        while True:
            message = await self._next()
            match message.type:
                case WSMsgType.TEXT:
                    return _event(message.data)
                case WSMsgType.PING:
                    await self._bounded(self._ws.pong(message.data))
                case WSMsgType.PONG:
                    pass
                case WSMsgType.BINARY:
                    raise BadEventError(
                        "events are JSON in text frames; send audio as base64 in "
                        "input_audio_buffer.append"
                    )
                case _:
                    return None

    async def _next(self) -> WSMessage:
        """Return the next frame; let others have their turn, however many of them have come."""
        self._received += 1
        if self._received % FRAMES_A_TURN == 0:
            await asyncio.sleep(0)
        self._receiving = True
        try:
            return await self._ws.receive()
        finally:
            self._receiving, self._heard = False, self._loop.time()

    async def send(self, kind: str, **fields: object) -> None:
        """Send an event; a client that takes none for too long is broken off.

        Raises:
            ConnectionError: the connection is gone.
        """
        await self._bounded(self._ws.send_str(_written(kind, **fields)))

    async def send_error(
        self, message: str, code: str | None = None, *, param: str | None = None, to: object = None
    ) -> None:
        """Send an error about a client's event, whose id is given; raises as send."""
        error = error_object(message, web.HTTPBadRequest.status_code, param)
        event_id = to if isinstance(to, str) else None
        await self.send("error", error={**error, "code": code, "event_id": event_id})

    async def close(self, code: int, why: str) -> None:
        """Close the connection, for a reason of at most 123 bytes; harmless when it is closed."""
        with suppress(ConnectionError):  # it is gone
            await self._bounded(self._ws.close(code=code, message=why.encode()))

    async def _bounded(self, sending: Awaitable[object]) -> None:
        """Wait until something was sent; break off a client that takes nothing for too long."""
        try:
            async with asyncio.timeout(self._timeout):
                await sending
        except TimeoutError:
            why = f"the client took nothing for {self._timeout:g} s"
            break_off(self._request, CLIENT_LEFT, why)
            raise ConnectionResetError(why) from None

    def stop_checking(self) -> None:
        """Ask no more whether the client is there."""
        self._checker.remove(self._check)
        for ping in self._pings:
            ping.cancel()

    def _check(self, now: float) -> None:
        """Ask a client that has been silent; break off one that has not answered for long."""
        if not self._receiving or self._ws.closed or self._ws.refused:
            return  # what it has sent waits here, and its silence is not its fault
        silent = now - self._heard
        if silent >= 2 * self._timeout:
            why = f"the client sent nothing and answered no ping for {2 * self._timeout:g} s"
            break_off(self._request, CLIENT_LEFT, why)
        elif silent >= self._timeout / 2:
            ping = asyncio.create_task(self._ping())
            self._pings.add(ping)
            ping.add_done_callback(self._pings.discard)

    async def _ping(self) -> None:
        try:
            await self._ws.ping()
        except ConnectionError:
            log.debug("a client was gone before it was asked")


class _WebSocket(web.WebSocketResponse):
    """A websocket that says what was wrong with a frame, and lets the client read it."""

    refused = 0
    """The code that a wrong frame was refused with."""

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = True) -> bool:
        if code in _REFUSALS and not self.closed and not self.refused:
            self.refused = code
            told = error_object(_REFUSALS[code], web.HTTPBadRequest.status_code)
            with suppress(TimeoutError):  # who takes nothing misses it
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await self.send_str(_written("error", error=told))
                    await self.send_frame(struct.pack("!H", code), WSMsgType.CLOSE)
                    # What still comes is thrown away; a close now would reset the connection.
                    await asyncio.Event().wait()
        return await super().close(code=code, message=message, drain=drain)


def _written(kind: str, **fields: object) -> str:
    """Return an event as it is sent."""
    return json.dumps({"type": kind, "event_id": f"event_{token_hex(8)}", **fields})


def _event(data: bytes) -> Event:
    if len(data) > SMALL_EVENT and sum(map(data.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise BadEventError("an event may not have so many values")
    try:
        event = json.loads(data.decode(), parse_constant=_no_json)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise BadEventError("an event is a JSON object with a type")
    event_id = event.get("event_id", "")
    if not isinstance(event_id, str) or len(event_id) > MAX_ID:
        raise BadEventError(f"an event_id is a string of at most {MAX_ID} characters")
    return event


def _no_json(constant: str) -> object:
    """Refuse what Python takes for JSON and nobody else does: NaN and the infinities."""
    raise ValueError(constant)
