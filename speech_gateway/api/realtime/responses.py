"""The texts that a session has spoken, one at a time."""

import asyncio
import contextlib
from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from aiohttp import web

from ...errors import FieldError
from ...exchange import Exchange
from ...speakable_text import NoTextError, TextTooLongError, speakable
from ...tasks import cancel_and_wait, cancel_for
from .services import Services
from .session_config import CONVERSATION, SessionConfig
from .session_update import with_output
from .socket import MAX_ID, Event, RealtimeSocket
from .spoken_response import NO_MODEL, SpokenResponse, message_text, text_of


class Responses:
    """What a session has spoken.

    Args:
        connection: the connection's exchange.
    """

    def __init__(
        self, services: Services, socket: RealtimeSocket, connection: Exchange, request_id: str
    ) -> None:
        self._services = services
        self._socket = socket
        self._connection = connection
        self._request_id = request_id
        self._count = 0
        self._text = ""
        """The last message of the user's, to be spoken when a response is asked for."""
        self._response: SpokenResponse | None = None
        self._speaking: asyncio.Task[None] | None = None

    async def add_item(self, item: object, previous_item_id: object) -> None:
        """Keep a message of the user's, to be spoken.

        Raises:
            FieldError: it is something else.
        """
        if not isinstance(item, dict) or not (text := message_text(item)):
            raise FieldError("item", f"must be a message of the user's with input_text: {NO_MODEL}")
        self._text = self._checked(text)
        added = {
            "id": own_id(item.get("id")) or f"item_{token_hex(12)}",
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_text", "text": self._text}],
        }
        previous = own_id(previous_item_id)
        for what in ("added", "done"):
            await self._socket.send(
                f"conversation.item.{what}", item=added, previous_item_id=previous
            )

    async def create(self, config: SessionConfig, event: Event) -> None:
        """Have a text spoken, meanwhile.

        Raises:
            FieldError: there is no text, or what is asked for cannot be done.
        """
        if config.type != CONVERSATION:
            raise FieldError("type", "is for sessions of type realtime; this one transcribes")
        asked = event.get("response")
        wanted: Mapping[str, Any] = asked if isinstance(asked, dict) else {}
        if wanted.get("output_modalities", wanted.get("modalities")) == ["text"]:
            raise FieldError("response.output_modalities", NO_MODEL)
        if self._speaking is not None and not self._speaking.done():
            raise FieldError("response", "must wait for the one that is being spoken")
        audio = wanted.get("audio")
        output = audio.get("output") if isinstance(audio, dict) else None
        if isinstance(output, dict):
            config = with_output(config, output, self._services.resources.voices)
        text = self._checked(self._wanted_text(wanted))
        self._count += 1
        request_id = f"{self._request_id}.s{self._count}"
        self._response = SpokenResponse(self._services, self._socket, request_id)
        await self._response.begin()
        self._speaking = asyncio.create_task(self._speak(self._response, config, text))

    async def cancel(self, event_id: object) -> None:
        """Give up what is being spoken."""
        if self._speaking is None or self._speaking.done() or self._response is None:
            await self._socket.send_error(
                "nothing is being spoken", "response_cancel_not_active", to=event_id
            )
            return
        await cancel_for("the client had it cancelled", self._speaking)
        await self._response.tell_cancelled()

    async def fail(self, why: str, refusal: web.HTTPException) -> None:
        """Give up what is being spoken, and tell the client."""
        if self._speaking is None or self._response is None:
            return
        await cancel_for(why, self._speaking)
        await self._response.tell_failed(refusal)

    async def finish(self) -> None:
        """Wait until what is being spoken was sent."""
        if self._speaking is not None:
            await asyncio.wait({self._speaking})

    async def close(self) -> None:
        """Give up what is not finished."""
        if self._speaking is not None:
            await cancel_and_wait(self._speaking)

    async def _speak(self, response: SpokenResponse, config: SessionConfig, text: str) -> None:
        with contextlib.suppress(ConnectionError):  # the client is gone
            await response.speak(self._connection, config, text)

    def _wanted_text(self, wanted: Mapping[str, Any]) -> str:
        if wanted.get("input") is not None:
            return text_of(wanted["input"], "response.input")
        if not self._text:
            raise FieldError("response.input", NO_MODEL)
        text, self._text = self._text, ""
        return text

    def _checked(self, text: str) -> str:
        """Return a text as it is to be spoken; raises FieldError."""
        most = self._services.settings.max_speech_input
        try:
            return speakable(text, most).decode()
        except TextTooLongError:
            raise FieldError(
                "input_text", f"is too long; at most {most} characters are spoken"
            ) from None
        except (NoTextError, UnicodeEncodeError):
            raise FieldError("input_text", "must be a text to speak") from None


def own_id(value: object) -> str | None:
    """Return the id that a client has given to an item; None where it is none."""
    return value if isinstance(value, str) and len(value) <= MAX_ID else None
