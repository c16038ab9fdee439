"""Rules by which a text is rewritten, one after another."""

import re
from collections.abc import Callable, Iterable

Replacement = str | Callable[[re.Match[str]], str]
Rule = tuple[re.Pattern[str], Replacement]


def rule(pattern: str, replacement: Replacement) -> Rule:
    """Return a rule: what pattern matches becomes replacement (re.sub)."""
    return re.compile(pattern), replacement


def rewritten(text: str, rules: Iterable[Rule]) -> str:
    """Return text with all rules applied, in order."""
    for pattern, replacement in rules:
        text = pattern.sub(replacement, text)
    return text
