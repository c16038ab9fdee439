"""The two endpoints of OpenAI's audio API that speak and listen."""

from ..endpoints import STT, TTS, Endpoint
from .errors import phrase

SPEECH = Endpoint(
    name=TTS.name,
    path="/v1/audio/speech",
    media_type="application/json",
    assumed_types=frozenset({"", "text/plain", "application/x-www-form-urlencoded"}),
    answer_type="audio/ogg",
    holds_text=False,
    noun="JSON",
    methods=("POST",),
    phrase=phrase,
)
TRANSCRIPTIONS = Endpoint(
    name=STT.name,
    path="/v1/audio/transcriptions",
    media_type="multipart/form-data",
    assumed_types=frozenset(),
    answer_type="application/json",
    holds_text=False,
    noun="a form with a file",
    methods=("POST",),
    phrase=phrase,
)
ENDPOINTS = (SPEECH, TRANSCRIPTIONS)
