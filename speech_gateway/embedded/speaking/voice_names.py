"""The names of the voices that this engine has."""

from importlib.util import find_spec
from pathlib import Path

import espeakng_loader

DEFAULT = HEART = "heart"
ESPEAK = "espeak"
SPEAKERS = ("", "f1", "m1", "f2", "m2", "f3", "m3", "f4", "m4", "f5", "m5", "m6", "m7")
"""espeak-ng's English voice, and variants of it."""


def has_heart() -> bool:
    """Return whether the voice Heart is installed."""
    return find_spec("hibari") is not None


def voice_names() -> dict[str, str]:
    """Return all voices, and what espeak-ng calls each of them.

    Where Heart is not installed, espeak-ng speaks in its place.
    """
    names = {HEART: "en-us"}
    for variant in SPEAKERS:
        names[_name(variant)] = "+".join(filter(None, ("en-us", variant)))
    languages = Path(espeakng_loader.get_data_path(), "lang").rglob("*")
    codes = sorted(path.name for path in languages if path.is_file())
    return names | {f"{ESPEAK}-{code.lower()}": code.lower() for code in codes}


def of_speaker(number: int) -> str:
    """Return the voice that has a number where others have speakers; 0 is the default."""
    if number == 0:
        return DEFAULT
    return _name(SPEAKERS[number % len(SPEAKERS)])


def _name(variant: str) -> str:
    return "-".join(filter(None, (ESPEAK, variant)))
