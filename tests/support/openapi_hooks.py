"""What schemathesis has to know to make good requests, and to read answers.

SCHEMATHESIS_HOOKS names this module.
"""

import base64

import schemathesis
from hypothesis import strategies as st
from schemathesis import DeserializationContext, Response

from tests.support.audio import tone, wav

RATE = 8000
AUDIO = wav(tone(0.025, RATE), RATE)
"""Large enough to be audio, small enough to be read in a report."""

schemathesis.openapi.format("audio", st.just(AUDIO))
schemathesis.openapi.format("audio-base64", st.just(base64.b64encode(AUDIO).decode()))
schemathesis.openapi.format("voice", st.sampled_from(["alloy", "Nova", "ECHO"]))
schemathesis.openapi.format("language", st.sampled_from(["en", "en-US", "English", "auto", "de"]))
schemathesis.openapi.media_type("audio/ogg", st.binary(min_size=1, max_size=64))


@schemathesis.deserializer("text/plain")
def text(_context: DeserializationContext, response: Response) -> str:
    """Have texts judged by their schemas too."""
    return response.content.decode()
