"""One session: takes the client's events, one after another, until the connection ends."""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from http import HTTPStatus
from typing import Any

from aiohttp import WSCloseCode, web

from ...errors import FieldError
from ...exchange import EXCHANGE, REQUEST_ID
from ...media.audio_errors import BROKEN, ConversionFailedError
from ...server.websocket_head import subprotocols
from ...tasks import cancel_and_wait
from ..openai.error_format import error_object
from .hearing import Hearing
from .responses import Responses
from .services import Services
from .session_config import CONVERSATION, TRANSCRIPTION, SessionConfig
from .session_update import updated
from .socket import BadEventError, Event, RealtimeSocket

BEFORE_THE_BREAK = 0.9
"""Of the time that requests get at a shutdown: behind it all connections are broken off."""
BAD_FRAMES = (WSCloseCode.PROTOCOL_ERROR, WSCloseCode.INVALID_TEXT)
UNKNOWN_EVENT = (
    "there is no such event here; there are session.update, input_audio_buffer.append, .commit and "
    ".clear, conversation.item.create, response.create and .cancel"
)
BETA_HEADER, BETA_PROTOCOL = "OpenAI-Beta", "openai-beta.realtime-v1"


class Session:
    """A client's session on an open socket."""

    def __init__(self, services: Services, request: web.Request, socket: RealtimeSocket) -> None:
        self._services = services
        self._socket = socket
        self._exchange = request[EXCHANGE]
        self._request_id = request_id = request[REQUEST_ID]
        self._config = SessionConfig.initial(
            TRANSCRIPTION if request.query.get("intent") == TRANSCRIPTION else CONVERSATION,
            request.query.get("model", ""),
            services.resources.voices.default,
        )
        self._is_beta = (
            request.headers.get(BETA_HEADER, "").startswith("realtime=")
            or BETA_PROTOCOL in subprotocols(request)
        ) and self._config.type == TRANSCRIPTION
        self._hearing = Hearing(services, socket, self._exchange, request_id, self._fail)
        self._responses = Responses(services, socket, self._exchange, request_id)
        self._closing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve until the client closes the connection, or it is closed for it."""
        await self._hearing.configure(self._config)
        async with AsyncExitStack() as stack:  # a client that leaves may cancel any of these
            stack.callback(self._forget)
            stack.push_async_callback(self._closed)
            stack.push_async_callback(self._hearing.close)
            stack.push_async_callback(self._responses.close)
            stack.push_async_callback(cancel_and_wait, asyncio.create_task(self._end_in_time()))
            try:
                await self._tell_session("created", beta=self._is_beta)
                while (event := await self._next_event()) is not None:
                    await self._take(event)
                self._note_close()  # at once: a client may be gone before all is cleaned up
            except ConnectionError:
                pass  # the client is gone
            except ConversionFailedError:
                self._fail()

    async def _next_event(self) -> Event | None:
        while True:
            try:
                return await self._socket.receive()
            except BadEventError as error:
                await self._socket.send_error(str(error), "invalid_event")

    async def _take(self, event: Event) -> None:
        event_id = event.get("event_id")
        try:
            match event["type"]:
                case "session.update" | "transcription_session.update":
                    await self._update(event)
                case "input_audio_buffer.append":
                    await self._hearing.append(_audio(event.get("audio")))
                case "input_audio_buffer.commit":
                    await self._hearing.commit(event_id)
                case "input_audio_buffer.clear":
                    await self._hearing.clear()
                case "conversation.item.create":
                    await self._responses.add_item(event.get("item"), event.get("previous_item_id"))
                case "response.create":
                    await self._responses.create(self._config, event)
                case "response.cancel":
                    await self._responses.cancel(event_id)
                case _:
                    await self._socket.send_error(UNKNOWN_EVENT, "unknown_event", to=event_id)
        except FieldError as error:
            message = (error.text or "").strip()
            await self._socket.send_error(message, "invalid_value", param=error.param, to=event_id)

    async def _update(self, event: Event) -> None:
        resources = self._services.resources
        config = updated(self._config, event.get("session"), resources.voices)
        wish = resources.wish_for_language(*config.spoken_languages)
        await resources.check_ability(self._exchange, wish)
        self._config = config
        await self._hearing.configure(config)
        await self._tell_session("updated", beta=event["type"].startswith("transcription_"))

    async def _tell_session(self, what: str, *, beta: bool) -> None:
        """Tell what the session is told to do; its id is that of the handshake, as in the log."""
        kind = "transcription_session" if beta else "session"
        told = self._config.to_beta_json() if beta else self._config.to_json()
        await self._socket.send(f"{kind}.{what}", session={"id": self._request_id, **told})

    async def _end_in_time(self) -> None:
        """End the session when the gateway stops, or when it has lasted long enough."""
        settings = self._services.settings
        try:
            async with asyncio.timeout(settings.max_session):
                await self._services.drain.begun.wait()
            why = "the gateway is shutting down"
        except TimeoutError:
            why = f"the session has lasted {settings.max_session:g} s; connect again"
        try:
            async with asyncio.timeout(settings.drain_timeout * BEFORE_THE_BREAK):
                await self._hearing.finish()
                await self._responses.finish()
        except TimeoutError:
            self._exchange.cut_off(HTTPStatus.SERVICE_UNAVAILABLE, why)
            with suppress(ConnectionError):  # the client is gone
                refusal = web.HTTPServiceUnavailable(text=f"{why}\n")
                await self._responses.fail(why, refusal)
                await self._hearing.fail_all(why, refusal)
        # No error event: clients take that for the end of everything, and connect again without it.
        self._close(WSCloseCode.GOING_AWAY, why)

    def _fail(self) -> None:
        """End the session, as nothing can be heard any more."""
        if self._closing is not None:
            return
        error = error_object(BROKEN, HTTPStatus.INTERNAL_SERVER_ERROR)
        self._exchange.cut_off(HTTPStatus.INTERNAL_SERVER_ERROR, "live audio failed")
        self._close(WSCloseCode.INTERNAL_ERROR, BROKEN, error={**error, "event_id": None})

    def _close(self, code: int, why: str, error: Mapping[str, object] | None = None) -> None:
        if self._closing is None:
            self._exchange.end(HTTPStatus.SWITCHING_PROTOCOLS)
            self._closing = asyncio.create_task(self._say_goodbye(code, why, error))

    async def _say_goodbye(self, code: int, why: str, error: Mapping[str, object] | None) -> None:
        with suppress(ConnectionError):  # the client is gone
            if error is not None:
                await self._socket.send("error", error=error)
            await self._socket.close(code, why)

    def _forget(self) -> None:
        """Hold nothing of the client's any more, whoever still refers to this."""
        self._config = SessionConfig(self._config.type, self._config.voice)

    async def _closed(self) -> None:
        """Wait until the client has answered the close, if it is closed by us."""
        if self._closing is not None:
            await self._closing

    def _note_close(self) -> None:
        """Note how the client has ended the connection; one that vanished has left."""
        code = self._socket.close_code
        if code == WSCloseCode.MESSAGE_TOO_BIG:
            self._exchange.cut_off(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "a frame was too large")
        elif code in BAD_FRAMES:
            self._exchange.cut_off(HTTPStatus.BAD_REQUEST, "a frame was malformed")
        elif code not in (None, WSCloseCode.ABNORMAL_CLOSURE):
            self._exchange.end(HTTPStatus.SWITCHING_PROTOCOLS)


def _audio(value: Any) -> bytes:
    """Return the audio of an event; raises FieldError."""
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise FieldError("audio", "must be audio in base64") from None
