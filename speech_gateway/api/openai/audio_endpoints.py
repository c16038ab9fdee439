"""The endpoints of OpenAI's audio API: speech, transcriptions and translations."""

from dataclasses import replace

from ...endpoints import SPEAK, STT, TRANSCRIBE, TTS, Endpoint
from .error_format import as_openai

SPEECH = Endpoint(
    path="/v1/audio/speech",
    service=SPEAK,
    label=TTS.label,
    media_type="application/json",
    assumed_types=frozenset({"", "text/plain", "application/x-www-form-urlencoded"}),
    holds_text=False,
    noun="JSON",
    api="openai",
    methods=("POST",),
    format_error=as_openai,
)
TRANSCRIPTIONS = Endpoint(
    path="/v1/audio/transcriptions",
    service=TRANSCRIBE,
    label=STT.label,
    media_type="multipart/form-data",
    assumed_types=frozenset({"application/json"}),
    holds_text=False,
    noun="audio in a form",
    api="openai",
    methods=("POST",),
    format_error=as_openai,
)
TRANSLATIONS = replace(TRANSCRIPTIONS, path="/v1/audio/translations")
UPLOADS = (TRANSCRIPTIONS, TRANSLATIONS)
SPEECH_BY_GET = replace(SPEECH, methods=("POST", "GET"))
"""For players that open a URL. Anybody who gets a user to open one has it spoken."""
