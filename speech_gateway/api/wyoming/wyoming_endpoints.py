"""What Wyoming's clients ask for, as endpoints: for the gate, the metrics and the log."""

from dataclasses import replace

from ...endpoints import SPEAK, STT, TRANSCRIBE, TTS, Endpoint
from ...metrics import OTHER_METHOD

HEARD = Endpoint(
    path="wyoming/transcribe",
    service=TRANSCRIBE,
    label=STT.label,
    media_type="audio/L16",
    assumed_types=frozenset(),
    holds_text=False,
    noun="audio",
    api="wyoming",
    methods=(OTHER_METHOD,),  # it is no HTTP
)
"""Something that was said."""
SPOKEN = replace(
    HEARD,
    path="wyoming/synthesize",
    service=SPEAK,
    label=TTS.label,
    media_type="text/plain",
    holds_text=True,
    noun="text",
)
"""A text, or a part of one, that is to be spoken."""
