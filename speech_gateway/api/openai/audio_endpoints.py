"""The two endpoints of OpenAI's audio API that speak and listen."""

from dataclasses import replace

from ...endpoints import STT, TTS, Endpoint
from .error_format import phrase

SPEECH = Endpoint(
    name=TTS.name,
    path="/v1/audio/speech",
    media_type="application/json",
    assumed_types=frozenset({"", "text/plain", "application/x-www-form-urlencoded"}),
    answer_type="audio/ogg",
    holds_text=False,
    noun="JSON",
    api="openai",
    methods=("POST",),
    phrase=phrase,
)
TRANSCRIPTIONS = Endpoint(
    name=STT.name,
    path="/v1/audio/transcriptions",
    media_type="multipart/form-data",
    assumed_types=frozenset({"application/json"}),
    answer_type="application/json",
    holds_text=False,
    noun="audio in a form",
    api="openai",
    methods=("POST",),
    phrase=phrase,
)
SPEECH_BY_GET = replace(SPEECH, methods=("POST", "GET"))
"""For players that take a URL; whoever can make one open it has it spoken."""
