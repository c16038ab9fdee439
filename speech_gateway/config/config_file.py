"""The config file: YAML, whose values are taken as they are written.

``token: 0123`` is the token 0123, whatever number YAML would make of it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from . import yaml_text
from .bounded_files import read_text
from .plugin_loader import with_options


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What the file says, by the settings' names, and the problems found."""

    given: Mapping[str, tuple[str, ...]]
    problems: tuple[str, ...]


def read(path: str, mappings: Collection[str] = ()) -> ConfigFile:
    """Return what the file at path says; the settings in mappings may have options behind a value.

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
        if not _is_scalar(key):
            line = key.start_mark.line + 1
            problems.append(f"the file {path} has something else than a setting in line {line}")
            continue
        texts = _texts(value, mappings=key.value in mappings)
        if key.value in given:
            problems.append(f"{key.value} (from the file {path}) is given twice")
        elif texts is None:
            or_options = ", each with a mapping of options" if key.value in mappings else ""
            problems.append(
                f"{key.value} (from the file {path}) must be a value or a list of them{or_options}"
            )
        else:
            given[key.value] = texts
    return ConfigFile(given, tuple(problems))


def _is_scalar(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode)


def _texts(node: yaml.Node, *, mappings: bool) -> tuple[str, ...] | None:
    """Return the values in node, as they are written; None where it holds anything else."""
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    texts: list[str] = []
    for item in nodes:
        if _is_scalar(item):
            texts.append(item.value)
        elif mappings and isinstance(item, yaml.MappingNode):
            for value, options in item.value:
                if (text := _text_with_options(value, options)) is None:
                    return None
                texts.append(text)
        else:
            return None
    return tuple(texts)


def _text_with_options(value: yaml.Node, options: yaml.Node) -> str | None:
    """Return a value and its options as one text; None where the options are no mapping."""
    if not _is_scalar(value) or not isinstance(options, yaml.MappingNode):
        return None
    try:
        return with_options(value.value, yaml_text.construct_mapping(options))
    except (TypeError, ValueError, RecursionError):
        return None
