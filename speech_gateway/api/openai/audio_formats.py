"""The formats of speech that clients may ask for."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A format that clients may ask for."""

    name: str
    content_type: str
    job: str | None
    """What the media workers call the conversion to it; None for the backend's own format."""


FORMATS: Mapping[str, AudioFormat] = {
    audio_format.name: audio_format
    for audio_format in (
        AudioFormat("mp3", "audio/mpeg", "mp3"),
        AudioFormat("opus", "audio/ogg", None),
        AudioFormat("aac", "audio/aac", "aac"),
        AudioFormat("flac", "audio/flac", "flac"),
        AudioFormat("wav", "audio/wav", "wav"),
        AudioFormat("pcm", "audio/pcm", "pcm"),
    )
}
