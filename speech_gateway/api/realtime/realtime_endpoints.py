"""The endpoint of the realtime API, and what is said on its connections, as endpoints too."""

from dataclasses import replace

from ...endpoints import SPEAK, STT, TRANSCRIBE, TTS, Endpoint, plain_text
from ..openai.error_format import as_openai

REALTIME = Endpoint(
    path="/v1/realtime",
    service=TRANSCRIBE,
    label=STT.label,
    media_type="application/json",
    assumed_types=frozenset({"", "application/octet-stream", "text/plain"}),
    holds_text=False,
    noun="events on a websocket",
    api="realtime",
    is_live=True,
    methods=("GET",),
    format_error=as_openai,
)
UTTERANCE = replace(REALTIME, is_live=False, format_error=plain_text)
"""Something that a client has said, and that is transcribed."""
RESPONSE = replace(UTTERANCE, service=SPEAK, label=TTS.label)
"""A text that a client has spoken."""
