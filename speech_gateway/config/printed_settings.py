"""The settings in force, printed as a config file that has the same effect.

What nobody may see is masked, and its line commented out: taken as it stands it would be wrong.
"""

import json
import re
from collections.abc import Iterable, Mapping

from .. import __version__
from ..standard_streams import printable
from .option_type import Option
from .plugin_loader import references, with_options
from .sources import Given

MASK = "********"
_HEAD = f"""\
# The settings in force, as a config file of speech-gateway {__version__}; each with its origin.
# What nobody may see is masked and commented out, for you to fill in.
"""
_PLAIN = re.compile(r"[A-Za-z0-9/][A-Za-z0-9_./+-]*")


def printed(options: Iterable[Option], given: Mapping[str, Given]) -> str:
    """Return the settings, one a line."""
    return _HEAD + "".join(f"{_line(option, given.get(option.name))}\n" for option in options)


def _line(option: Option, given: Given | None) -> str:
    if given is None or not given.texts:
        if option.default is None:
            return f"#{option.name}:  # not set"
        return f"{option.name}: {_scalar(option.default)}  # the default"
    shown = tuple(_masked(option, text) for text in given.texts)
    value = _scalar(shown[0]) if len(shown) == 1 else f"[{', '.join(map(_scalar, shown))}]"
    line = f"{option.name}: {value}  # from {printable(given.origin)}"
    return line if shown == given.texts else f"#{line}, masked"


def _masked(option: Option, text: str) -> str:
    """Return text without what is secret in it; a plugin's options may be."""
    if option.secret:
        return MASK
    if not option.takes_mappings:
        return text
    plugins = list(references(text))
    if not any(options for _, options in plugins):
        return text
    return ", ".join(
        with_options(reference, dict.fromkeys(options, MASK)) for reference, options in plugins
    )


def _scalar(text: str) -> str:
    """Return text as YAML; JSON's strings are YAML's, and so are the escapes of printable()."""
    return text if _PLAIN.fullmatch(text) else printable(json.dumps(text, ensure_ascii=False))
