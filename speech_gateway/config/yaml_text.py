"""Parses YAML; errors name the line."""

from typing import Any

import yaml


def load(text: str) -> Any:
    """Return the document in text, as Python's types.

    Raises:
        ValueError: it is no YAML; the message says where.
    """
    try:
        return yaml.safe_load(text)
    except Exception as error:  # noqa: BLE001 - what a tag's value trips over may raise anything
        raise _refusal(error) from None


def compose(text: str) -> yaml.Node | None:
    """Return the document in text as nodes, whose scalars keep their text; None when it is empty.

    Raises:
        ValueError: it is no YAML; the message says where.
    """
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)  # scalars keep what is written
    except (yaml.YAMLError, RecursionError) as error:
        raise _refusal(error) from None


def construct_mapping(node: yaml.MappingNode) -> dict[str, Any]:
    """Return a mapping of a composed document as Python's types.

    Raises:
        ValueError: it has an unknown tag, a key that is no text, or a key twice.
    """
    try:
        mapping = _StrictConstructor().construct_document(node)
    except Exception as error:  # noqa: BLE001 - what a tag's value trips over may raise anything
        raise _refusal(error) from None
    return dict(mapping)


class _StrictConstructor(yaml.constructor.SafeConstructor):
    """Refuses keys that are no text or come twice, at any depth."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value) or not all(isinstance(key, str) for key in mapping):
            raise ValueError("has a key that is no text, or one that is given twice")
        return mapping


def _refusal(error: Exception) -> ValueError:
    if isinstance(error, RecursionError):
        return ValueError("is nested too deeply")
    mark = getattr(error, "problem_mark", None)
    return ValueError(f"is not YAML (line {mark.line + 1})" if mark else "is not YAML")
