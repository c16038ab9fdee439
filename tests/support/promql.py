"""Enough of PromQL to tell an expression's metrics, and to take an alert's thresholds off it."""

import re

_STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`")
_SELECTION = re.compile(r"\{[^{}]*\}|\[[^\[\]]*\]")
_LABELS = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)")
_NAME = re.compile(r"(?<![\w.:])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])")
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"})
_SET_OPERATOR = re.compile(r"\b(and|or|unless)\b")
_THRESHOLD = re.compile(r"(?:[=!]=|[<>]=?)\s*\d+(?:\.\d+)?\s*$")
_COMPARISON = re.compile(r"[=!]=|[<>]")


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _skeleton(expr: str) -> str:
    """Return expr with blanks for strings, selectors and ranges; every place stays what it was."""
    return _SELECTION.sub(_blank, _STRING.sub(_blank, expr))


def _top_level(expr: str) -> str:
    """Return the skeleton with blanks for whatever stands in parentheses too."""
    depth = 0
    top = ""
    for char in _skeleton(expr):
        depth -= char == ")"
        top += char if not depth else " "
        depth += char == "("
    assert not depth, f"parentheses do not match: {expr}"
    return top


def metrics(expr: str) -> set[str]:
    """Return the names of the metrics that expr reads."""
    names = _NAME.findall(_LABELS.sub(_blank, _skeleton(expr)))
    return {name for name in names if name.lower() not in _WORDS}


def alert_parts(expr: str) -> list[str]:
    """Return the parts that ``and`` joins in an alert's expression, each without its threshold.

    What has another shape is refused: ``or`` and ``unless`` at the top, a part that does not end
    with a comparison to a number, a part with two.
    """
    top = _top_level(expr)
    parts = []
    start = 0
    joints = [(found.start(), found.end(), found[1]) for found in _SET_OPERATOR.finditer(top)]
    for end, after, word in [*joints, (len(top), len(top), "and")]:
        assert word == "and", f"{word} may hide a part that has no data: {expr}"
        threshold = _THRESHOLD.search(top, start, end)
        assert threshold, f"no threshold ends {expr[start:end]!r}"
        rest = top[start : threshold.start()]
        assert not _COMPARISON.search(rest), f"two comparisons in {expr[start:end]!r}"
        parts.append(expr[start : threshold.start()].strip())
        start = after
    return parts
