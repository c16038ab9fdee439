"""The formats of speech that clients may ask for."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A format that clients may ask for."""

    name: str
    """What the media workers call the conversion to it, too."""
    content_type: str


FORMATS: Mapping[str, AudioFormat] = {
    audio_format.name: audio_format
    for audio_format in (
        AudioFormat("mp3", "audio/mpeg"),
        AudioFormat("opus", "audio/ogg"),
        AudioFormat("aac", "audio/aac"),
        AudioFormat("flac", "audio/flac"),
        AudioFormat("wav", "audio/wav"),
        AudioFormat("pcm", "audio/pcm"),
    )
}
BACKENDS_OWN = FORMATS["opus"]
"""What the backend sends, as a rule: it is converted only when something else comes."""
