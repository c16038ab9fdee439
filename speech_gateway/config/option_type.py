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
