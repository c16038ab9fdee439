"""What the two endpoints are, as data: everything else asks here."""

from dataclasses import dataclass

METHODS = ("POST", "PUT")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way through the gateway."""

    name: str
    path: str
    media_type: str
    """The type that clients should send and the backend is given."""
    assumed_types: frozenset[str]
    """What else counts as media_type: what tools send when nobody told them."""
    answer_type: str
    """The type of the answer when the backend names none."""
    holds_text: bool
    """Whether the body is a text, read and judged before the gate; else it is a live upload."""
    transcribes: bool
    """Whether the answer is lines of transcripts, in the backend's wrapper."""
    noun: str
    """What the body is, for people."""


_UNTOLD = frozenset({"", "application/octet-stream", "application/x-www-form-urlencoded"})

TTS = Endpoint(
    name="tts",
    path="/tts",
    media_type="text/plain",
    assumed_types=_UNTOLD,
    answer_type="audio/ogg",
    holds_text=True,
    transcribes=False,
    noun="text",
)
STT = Endpoint(
    name="stt",
    path="/stt",
    media_type="audio/ogg",
    assumed_types=_UNTOLD | {"text/plain"},
    answer_type="application/json",
    holds_text=False,
    transcribes=True,
    noun="audio",
)
ENDPOINTS = {endpoint.name: endpoint for endpoint in (TTS, STT)}
