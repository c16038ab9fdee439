"""Recorded speech: the clips of Debian's pocketsphinx-testdata, read by people for LibriVox."""

import re
import wave
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("/usr/share/pocketsphinx/test/data/librivox")


@dataclass(frozen=True)
class Clip:
    """A recording, and what is said in it."""

    wav: bytes
    seconds: float
    text: str


def clips() -> list[Clip]:
    """Return the five clips; none where the package is not installed."""
    texts = FOLDER / "transcription"
    if not texts.exists():
        return []
    found = re.findall(r"<s> (.*?) *</s> \((\S+)\)", texts.read_text())
    return [_clip(FOLDER / f"{name}.wav", text) for text, name in found]


def _clip(path: Path, text: str) -> Clip:
    with wave.open(str(path)) as file:
        return Clip(path.read_bytes(), file.getnframes() / file.getframerate(), text)
