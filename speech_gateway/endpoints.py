"""What an endpoint is, as data: everything else asks here."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

METHODS = ("POST", "PUT")
READ_METHODS = ("GET", "HEAD")
"""Methods of a request without a body."""


@dataclass(frozen=True, slots=True)
class Service:
    """One of the two things that the backend does, by a pipeline."""

    name: str
    """Names the pipeline, and the service in the backend's own metrics: ``tts`` or ``stt``."""
    media_type: str
    """Of what a call brings."""
    answer_type: str
    """The media type of an answer to which the backend gives none."""


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
    """What else counts as media_type: what tools send when nobody told them."""
    holds_text: bool
    """Whether the body is a text, read and judged before the gate; else it is a live upload."""
    noun: str
    """What the body is, for people."""
    api: str = "plain"
    """Whose clients it serves, for the metrics: ``plain`` or ``openai``."""
    methods: tuple[str, ...] = METHODS
    format_error: Callable[[web.Response], web.Response] = plain_text
    """Puts a refusal into the form that the endpoint's clients read."""

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
