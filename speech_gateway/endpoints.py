"""Endpoints and services, as data."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

METHODS = ("POST", "PUT")
READ_METHODS = ("GET", "HEAD")
"""Methods of a request without a body."""


@dataclass(frozen=True, slots=True)
class Service:
    """What the backend does with a pipeline: speak, or transcribe."""

    name: str
    """The name of the pipeline, and of the service in the backend's metrics: ``tts`` or ``stt``."""
    media_type: str
    """The media type of what is sent to the backend."""
    answer_type: str
    """The media type of an answer, where the backend names none."""


SPEAK = Service(name="tts", media_type="text/plain", answer_type="audio/ogg")
TRANSCRIBE = Service(name="stt", media_type="audio/ogg", answer_type="application/json")
SERVICES = {service.name: service for service in (SPEAK, TRANSCRIBE)}


def plain_text(refusal: web.Response) -> web.Response:
    """Leave a refusal in plain text."""
    return refusal


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path that clients send speech or text to."""

    path: str
    service: Service
    label: str
    """The metrics' ``endpoint``: ``tts`` or ``stt``."""
    media_type: str
    """The type that clients should send."""
    assumed_types: frozenset[str]
    """Media types that count as media_type: what tools send by default."""
    holds_text: bool
    """Whether the body is a text, read and checked before the gate; otherwise it is streamed."""
    noun: str
    """What the body is, for people."""
    api: str = "plain"
    """Whose clients it serves, for the metrics: ``plain``, ``openai``, ``realtime`` or ``wyoming``.
    """
    is_live: bool = False
    """Whether its connections stay, and what is said on them is counted and holds slots instead."""
    methods: tuple[str, ...] = METHODS
    format_error: Callable[[web.Response], web.Response] = plain_text
    """Returns a refusal in the form that the endpoint's clients read."""

    @property
    def route(self) -> str:
        """The name of its route."""
        return self.path.strip("/").replace("/", ".")


_NOT_TOLD = frozenset({"", "application/octet-stream", "application/x-www-form-urlencoded"})

TTS = Endpoint(
    path="/tts",
    service=SPEAK,
    label="tts",
    media_type="text/plain",
    assumed_types=_NOT_TOLD,
    holds_text=True,
    noun="text",
)
STT = Endpoint(
    path="/stt",
    service=TRANSCRIBE,
    label="stt",
    media_type="audio/ogg",
    assumed_types=_NOT_TOLD | {"text/plain", "application/ogg", "audio/opus"},
    holds_text=False,
    noun="audio",
)
LABELS = (TTS.label, STT.label)
"""All values of the metrics' ``endpoint``."""
