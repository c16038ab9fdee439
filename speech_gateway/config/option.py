"""What defines a setting."""

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
    """Whether the config file may have a mapping of options behind a value."""
    switch: bool = False
    """Whether the flag alone, without a value, means true."""
    example: str | None = None
    """For the commented file of all settings, where there is no default."""
