"""The definition of a setting."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Option:
    """The one definition of a setting."""

    name: str
    environment: str
    parse: Callable[[str], Any]
    """Raises ValueError, saying what the value may be."""
    help: str
    default: str | None = None
    repeatable: bool = False
    takes_mappings: bool = False
    """Whether a value in the config file may have a mapping of options."""
    switch: bool = False
    """Whether the flag alone, without a value, means true."""
    example: str | None = None
    """Shown in the commented config file, where there is no default."""
    choices: tuple[str, ...] = ()
    """The values that there are, where there are few."""
    is_path: bool = False
    secret: bool = False
    """Whether the value is never shown."""

    @property
    def placeholder(self) -> str:
        """What stands for the value in the help."""
        return "FILE" if self.is_path else "|".join(self.choices) or "VALUE"
