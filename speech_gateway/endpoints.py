"""What an endpoint is, as data: everything else asks here."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

METHODS = ("POST", "PUT")
READ_METHODS = ("GET", "HEAD")
"""Methods of a request without a body."""


def as_it_is(refusal: web.Response) -> web.Response:
    """Leave a refusal in plain text."""
    return refusal


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way through the gateway."""

    name: str
    """The pipeline and the metrics' label: ``tts`` or ``stt``."""
    path: str
    media_type: str
    """The type that clients should send and the backend is given."""
    assumed_types: frozenset[str]
    """What else counts as media_type: what tools send when nobody told them."""
    answer_type: str
    """The type of the answer when the backend names none."""
    holds_text: bool
    """Whether the body is a text, read and judged before the gate; else it is a live upload."""
    noun: str
    """What the body is, for people."""
    api: str = "plain"
    """Whose clients it serves, for the metrics: ``plain`` or ``openai``."""
    methods: tuple[str, ...] = METHODS
    phrase: Callable[[web.Response], web.Response] = as_it_is
    """Puts a refusal into the words that the endpoint's clients understand."""

    @property
    def route(self) -> str:
        """The name of its route."""
        return self.path.strip("/").replace("/", ".")


_UNTOLD = frozenset({"", "application/octet-stream", "application/x-www-form-urlencoded"})

TTS = Endpoint(
    name="tts",
    path="/tts",
    media_type="text/plain",
    assumed_types=_UNTOLD,
    answer_type="audio/ogg",
    holds_text=True,
    noun="text",
)
STT = Endpoint(
    name="stt",
    path="/stt",
    media_type="audio/ogg",
    assumed_types=_UNTOLD | {"text/plain"},
    answer_type="application/json",
    holds_text=False,
    noun="audio",
)
ENDPOINTS = {endpoint.name: endpoint for endpoint in (TTS, STT)}
