"""Voices: the names that clients use, and the pipeline parameters they stand for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from ..config import yaml_text
from ..config.bounded_files import read_text

PACKAGED = files(__package__).joinpath("voices.yml")
"""The voices of the packaged pipeline's model."""
BUNDLED = files(__package__).joinpath("bundled_engine_voices.yml")
"""The voices of the bundled engine."""
ABOUT = ("language", "description")
SLOWEST, FASTEST = 0.25, 4.0
"""The speeds that OpenAI's API allows."""
LISTED = 40
"""Names that a refusal has room for."""
USUAL_LANGUAGE = "en"
"""Of a voice of which none is told."""
HIGHEST = 100
"""The highest speed allowed in the file; more is a mistake."""


@dataclass(frozen=True, slots=True)
class Voices:
    """The speech node's parameters for each voice, and the speeds that the engine can speak at."""

    params: Mapping[str, Mapping[str, Any]]
    about: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What clients are told of a voice: its language, a description."""
    slowest: float = SLOWEST
    fastest: float = FASTEST

    @property
    def default(self) -> str:
        """The voice for a request that names none: the first one."""
        return next(iter(self.params))

    def named(self, name: str) -> str | None:
        """Return the voice of that name, in any case; None if there is none."""
        if name in self.params:
            return name
        folded = name.strip().casefold()
        return next((voice for voice in self.params if voice.casefold() == folded), None)

    def language(self, voice: str) -> str:
        """Return the code of a voice's language."""
        return self.about.get(voice, {}).get("language", USUAL_LANGUAGE)

    @property
    def listed(self) -> str:
        """The names, separated by commas; of many, the first."""
        names = list(self.params)
        return ", ".join(names[:LISTED]) + (" ..." if len(names) > LISTED else "")


def load(path: Path | None = None, packaged: Traversable = PACKAGED) -> Voices:
    """Return the voices in the file at path or, without one, packaged ones.

    Raises:
        ValueError: the file cannot be read, or is not valid.
    """
    try:
        text = read_text(path) if path is not None else packaged.read_text("utf-8")
        document = yaml_text.load(text)
    except ValueError as error:
        raise ValueError(f"must be a readable YAML file of voices; it {error}") from None
    voices = document.get("voices") if isinstance(document, dict) else None
    if not isinstance(voices, dict) or not voices:
        raise ValueError("must have a mapping 'voices' from names to parameters")
    for name, params in voices.items():
        if not isinstance(name, str) or not isinstance(params, dict):
            raise ValueError(f"must map each voice to its parameters; '{name}' is not")
    about = document.get("about", {})
    return Voices(voices, _about(about, voices), *_speeds(document.get("speed", {})))


def _about(about: object, voices: Mapping[str, object]) -> Mapping[str, Mapping[str, str]]:
    """Check what is told of the voices."""
    if not isinstance(about, dict):
        raise ValueError("must have a mapping 'about' from names of voices, if it has one")
    for name, told in about.items():
        if name not in voices:
            raise ValueError(f"tells 'about' a voice that it does not have: '{name}'")
        if not isinstance(told, dict) or not told.keys() <= set(ABOUT):
            raise ValueError(
                f"must tell 'about' a voice its {' and '.join(ABOUT)}; '{name}' not so"
            )
        if not all(isinstance(value, str) for value in told.values()):
            raise ValueError(f"must tell 'about' a voice in texts; '{name}' has others")
    return about


def _speeds(speed: object) -> tuple[float, float]:
    if not isinstance(speed, dict) or not speed.keys() <= {"least", "most"}:
        raise ValueError("must have no more in 'speed' than 'least' and 'most'")
    least, most = speed.get("least", SLOWEST), speed.get("most", FASTEST)
    numbers = all(isinstance(value, int | float) for value in (least, most))
    if not numbers or not 0 < least <= most <= HIGHEST:
        raise ValueError(
            f"must have numbers up to {HIGHEST} in 'speed', 'least' over 0 and not over 'most'"
        )
    return float(least), float(most)
