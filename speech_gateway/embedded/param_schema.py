"""What a node's parameter may be, as JSON Schema tells it, and whether a value is that."""

import math
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_LISTED = 30
"""Names that a message has room for."""

_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "a text"),
    "number": ((int, float), "a number"),
    "integer": ((int,), "a whole number"),
    "boolean": ((bool,), "true or false"),
}


def param(kind: str, description: str, default: object, **bounds: object) -> Schema:
    """Return the schema of a parameter; without a default if that is None."""
    schema = {"type": kind, "description": description, **bounds}
    return schema if default is None else {**schema, "default": default}


def expected_instead(value: object, schema: Schema) -> str:
    """Return what value must be by schema; nothing when it is that."""
    types, expected = _TYPES[schema["type"]]
    is_bool = isinstance(value, bool) and schema["type"] != "boolean"
    if is_bool or not isinstance(value, types):
        return expected
    if "enum" in schema and value not in schema["enum"]:
        listed = schema["enum"]
        return "one of " + ", ".join(listed[:_LISTED]) + (" ..." if len(listed) > _LISTED else "")
    if isinstance(value, int | float) and "minimum" in schema:
        least, most = schema["minimum"], schema.get("maximum", math.inf)
        if not least <= value <= most:
            return f"from {least:g} to {most:g}" if most < math.inf else f"{least:g} or more"
    return ""
