"""Reads and checks the JSON of ``POST /v1/audio/speech``."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ...endpoints import READ_METHODS
from ...errors import FieldError
from ...exchange import EXCHANGE, Exchange
from ...middlewares import Handler, Step
from ...pipelines.voices import FASTEST, SLOWEST, Voices
from ...server.request_body import RequestBody
from ...speakable_text import NoTextError, TextTooLongError, speakable
from .audio_endpoints import SPEECH
from .audio_formats import FORMATS, AudioFormat

DEFAULT_FORMAT = "mp3"
ESCAPED_CHARACTER = 12
"""Bytes of JSON for one character: the escapes of a surrogate pair (RFC 8259, section 7)."""
OTHER_FIELDS = 64 * 1024
"""Bytes of JSON beside the text; instructions are the largest part."""
_NUMBER = re.compile(r"[0-9]{1,3}(\.[0-9]{0,30})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """What a client asks for, beside the text."""

    voice: str
    speed: float
    format: AudioFormat
    events: bool
    """Whether the audio is to come as server-sent events."""


SPEECH_REQUEST = web.RequestKey("speech_request", SpeechRequest)


class ReadSpeechRequest(Step):
    """Read the request before the gate, so a slow sender holds no slot; a 400 names the field."""

    def __init__(self, voices: Voices, *, max_characters: int, timeout: float) -> None:
        self._voices = voices
        self._max_characters = max_characters
        self._timeout = timeout

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.get(EXCHANGE)
        if exchange is not None and exchange.endpoint.path == SPEECH.path:
            await self._read(request, exchange)
        return await handler(request)

    async def _read(self, request: web.Request, exchange: Exchange) -> None:
        """Keep only what is needed: a request waiting for a slot must not hold all its JSON."""
        if request.method in READ_METHODS:
            fields: Mapping[str, Any] = request.query
        else:
            limit = max_bytes(self._max_characters)
            body = RequestBody(request, limit=limit, timeout=self._timeout)
            raw = bytearray()
            while piece := await body.read():
                raw += piece
            fields = _object(bytes(raw))
        exchange.text = _input(fields, self._max_characters)
        request[SPEECH_REQUEST] = _speech_request(fields, self._voices)


def max_bytes(max_characters: int) -> int:
    """Return how many bytes of JSON a text of max_characters may come in."""
    return max_characters * ESCAPED_CHARACTER + OTHER_FIELDS


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise web.HTTPBadRequest(text="the body must be a JSON object, in UTF-8\n")
    return fields


def _input(fields: Mapping[str, Any], max_characters: int) -> bytes:
    text = fields.get("input")
    try:
        return speakable(text if isinstance(text, str) else "", max_characters)
    except TextTooLongError:  # 400, as OpenAI has it: its clients map 413 to nothing
        message = f"is too long; at most {max_characters} characters are spoken"
    except NoTextError:
        message = "must be the text to speak"
    except UnicodeEncodeError:
        message = "must be text; half of a surrogate pair is none"
    raise FieldError("input", message)


def _speech_request(fields: Mapping[str, Any], voices: Voices) -> SpeechRequest:
    for name in ("model", "instructions"):
        if not isinstance(fields.get(name), str | None):
            raise FieldError(name, "must be a string")
    return SpeechRequest(
        voice=voice_of(fields.get("voice"), voices),
        speed=speed_of(fields.get("speed"), voices),
        format=FORMATS[_one_of(fields, "response_format", DEFAULT_FORMAT, *FORMATS)],
        events=_one_of(fields, "stream_format", "audio", "audio", "sse") == "sse",
    )


def voice_of(voice: object, voices: Voices) -> str:
    """Return the name of a voice, given as one or as an object with an id; raises FieldError."""
    if isinstance(voice, dict):
        voice = voice.get("id")
    if voice is None or voice == "":
        return voices.default
    name = voices.named(voice) if isinstance(voice, str) else None
    if name is None:
        raise FieldError("voice", f"must be one of {voices.listed}")
    return name


def speed_of(speed: object, voices: Voices) -> float:
    """Return a speed that the voices have; raises FieldError."""
    if speed is None:
        return 1.0
    if isinstance(speed, str) and _NUMBER.fullmatch(speed.strip()):
        speed = float(speed)
    least, most = max(SLOWEST, voices.slowest), min(FASTEST, voices.fastest)
    if isinstance(speed, int | float) and not isinstance(speed, bool) and least <= speed <= most:
        return float(speed)
    raise FieldError("speed", f"must be a number from {least:g} to {most:g}")


def _one_of(fields: Mapping[str, Any], name: str, default: str, *choices: str) -> str:
    value = fields.get(name)
    if value is None:
        return default
    if not isinstance(value, str) or value not in choices:
        raise FieldError(name, f"must be one of {', '.join(choices)}")
    return value
