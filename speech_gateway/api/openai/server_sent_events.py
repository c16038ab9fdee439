"""Server-sent events, as OpenAI's clients read them (WHATWG HTML, section 9.2)."""

import base64
import json
from collections.abc import Mapping

EVENT_STREAM = "text/event-stream; charset=utf-8"


def event(data: Mapping[str, object]) -> bytes:
    """Return data as one event."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"


class AudioEvents:
    """Turns pieces of audio into events, and the end of the audio into a last one."""

    def feed(self, piece: bytes) -> bytes:
        """Return the event for piece; nothing for an empty one."""
        if not piece:
            return b""
        audio = base64.b64encode(piece).decode()
        return event({"type": "speech.audio.delta", "audio": audio})

    def flush(self) -> bytes:
        """Return the last event."""
        # Nothing is counted in tokens here, but clients expect the numbers.
        usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
        return event({"type": "speech.audio.done", "usage": usage})
