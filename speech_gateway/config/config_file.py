"""The file of settings: YAML, its values taken as the text that is written.

``token: 0123`` is the token 0123, whatever number YAML would make of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from . import yaml_text
from .files import read_text


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What the file says, by the settings' names, and what is wrong with it."""

    given: Mapping[str, tuple[str, ...]]
    problems: tuple[str, ...]


def read(path: str) -> ConfigFile:
    """Return what the file at path says.

    Raises:
        ValueError: it is no file of settings; the message says why.
    """
    try:
        document = yaml_text.compose(read_text(Path(path)))
    except ValueError as error:
        raise ValueError(f"must be a YAML file of settings; {path} {error}") from None
    if document is None:  # nothing but comments
        return ConfigFile({}, ())
    if not isinstance(document, yaml.MappingNode):
        raise ValueError(f"must be a YAML file of settings; {path} has no settings with values")
    given: dict[str, tuple[str, ...]] = {}
    problems = []
    for key, value in document.value:
        texts = _texts(value)
        if not isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            problems.append(f"the file {path} has something else than a setting in line {line}")
        elif key.value in given:
            problems.append(f"{key.value} (from the file {path}) is given twice")
        elif texts is None:
            problems.append(f"{key.value} (from the file {path}) must be a value or a list of them")
        else:
            given[key.value] = texts
    return ConfigFile(given, tuple(problems))


def _texts(node: yaml.Node) -> tuple[str, ...] | None:
    """Return the values in node, as they are written; None where it holds anything else."""
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    if not all(isinstance(item, yaml.ScalarNode) for item in nodes):
        return None
    return tuple(item.value for item in nodes)
