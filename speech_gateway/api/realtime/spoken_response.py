"""A text that a client has spoken: ``response.create``, and the events of its audio."""

import base64
from collections.abc import Mapping
from contextlib import aclosing
from secrets import token_hex
from typing import Any

from aiohttp import web

from ...errors import FieldError
from ...exchange import Exchange
from ..openai.error_format import error_of
from .realtime_endpoints import RESPONSE
from .services import Services
from .session_config import SessionConfig
from .socket import RealtimeSocket

OUTPUT = {"output_index": 0, "content_index": 0}
NO_MODEL = (
    "there is no language model here, so nothing but a given text can be spoken; send it in "
    "response.input, as a message of the user's with input_text"
)


class SpokenResponse:
    """One response: a text, spoken word for word."""

    def __init__(self, services: Services, socket: RealtimeSocket, request_id: str) -> None:
        self._services = services
        self._socket = socket
        self._request_id = request_id
        self._id = f"resp_{token_hex(12)}"
        self._item_id = f"item_{token_hex(12)}"
        self._is_over = False

    async def speak(self, connection: Exchange, config: SessionConfig, text: str) -> None:
        """Have the text spoken, and send the audio as it comes."""
        try:
            async with self._services.requests.slot(
                RESPONSE, connection, self._request_id
            ) as exchange:
                exchange.text = text.encode()
                await self._send_audio(exchange, config)
        except web.HTTPException as failure:
            await self.tell_failed(failure)
        else:
            await self._end(text)

    async def tell_failed(self, failure: web.HTTPException) -> None:
        """Tell the client that the response has failed, unless it has ended."""
        await self._done("failed", [], {"type": "failed", "error": error_of(failure)})

    async def tell_cancelled(self) -> None:
        """Tell the client that the response was given up, as it wished."""
        details = {"type": "cancelled", "reason": "client_cancelled"}
        await self._done("cancelled", [], details)

    async def _send_audio(self, exchange: Exchange, config: SessionConfig) -> None:
        """Send the audio; raises web.HTTPException."""
        audio = self._services.requests.speak(
            exchange, self._request_id, config.voice, config.speed, config.output.conversion
        )
        async with aclosing(audio):
            async for piece in audio:
                exchange.sent(len(piece))
                delta = base64.b64encode(piece).decode()
                await self._tell("output_audio.delta", **OUTPUT, delta=delta)

    async def begin(self) -> None:
        """Tell the client that it begins."""
        await self._socket.send("response.created", response=self._response("in_progress", []))
        item = self._item("in_progress", [])
        await self._socket.send(
            "response.output_item.added", response_id=self._id, output_index=0, item=item
        )
        await self._tell("content_part.added", **OUTPUT, part={"type": "audio", "transcript": ""})

    async def _end(self, text: str) -> None:
        await self._tell("output_audio_transcript.delta", **OUTPUT, delta=text)
        await self._tell("output_audio.done", **OUTPUT)
        await self._tell("output_audio_transcript.done", **OUTPUT, transcript=text)
        part = {"type": "audio", "transcript": text}
        await self._tell("content_part.done", **OUTPUT, part=part)
        item = self._item("completed", [{"type": "output_audio", "transcript": text}])
        await self._socket.send(
            "response.output_item.done", response_id=self._id, output_index=0, item=item
        )
        await self._done("completed", [item], None)

    async def _done(
        self, status: str, output: list[Mapping[str, object]], details: Mapping[str, object] | None
    ) -> None:
        if self._is_over:
            return
        self._is_over = True
        response = {**self._response(status, output), "status_details": details}
        await self._socket.send("response.done", response=response)

    async def _tell(self, what: str, **fields: object) -> None:
        await self._socket.send(
            f"response.{what}", response_id=self._id, item_id=self._item_id, **fields
        )

    def _response(self, status: str, output: list[Mapping[str, object]]) -> dict[str, object]:
        return {
            "id": self._id,
            "object": "realtime.response",
            "status": status,
            "status_details": None,
            "output": output,
            "output_modalities": ["audio"],
            "usage": None,
        }

    def _item(self, status: str, content: list[Mapping[str, object]]) -> dict[str, object]:
        return {
            "id": self._item_id,
            "object": "realtime.item",
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }


def text_of(items: object, where: str) -> str:
    """Return the text of the last message of the user's among items; raises FieldError."""
    if not isinstance(items, list):
        raise FieldError(where, "must be a list of messages")
    for item in reversed(items):
        if text := message_text(item):
            return text
    raise FieldError(where, NO_MODEL)


def message_text(item: object) -> str:
    """Return the text of a message of the user's; nothing for any other item."""
    if not isinstance(item, dict) or item.get("role") != "user":
        return ""
    content = item.get("content")
    parts: list[Any] = content if isinstance(content, list) else []
    texts = [
        part["text"]
        for part in parts
        if isinstance(part, dict) and part.get("type") == "input_text"
        if isinstance(part.get("text"), str)
    ]
    return " ".join(texts)
