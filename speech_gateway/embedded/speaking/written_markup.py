"""Markup, as in Markdown and HTML: what is said of it, and what only shapes the page."""

import html
import re

from .rules import Rule, rule


def _unescaped(match: re.Match[str]) -> str:
    return html.unescape(match[0]).replace("\N{NO-BREAK SPACE}", " ")


def _checkbox(match: re.Match[str]) -> str:
    return "not done: " if match[1] == " " else "done: "


RULES: tuple[Rule, ...] = (
    rule(r"&(?:#\d{1,6}|#x[0-9a-fA-F]{1,5}|[a-zA-Z]{2,8});", _unescaped),
    rule(r"(?m)^\s*[-*+]\s+\[([ xX])\]\s+", _checkbox),
    rule(r"(?m)^\s*(?:[-*+•‣▪]|#{1,6})\s+", ""),
    rule(r"(?m)^\s*\|?(?:\s*:?-{3,}:?\s*\|?)+\s*$", ""),  # the line below a table's head
    rule(r"!?\[([^\]\n]{1,200})\]\((\S{1,300})\)", r"\1, link \2 "),
    rule(r"(\*\*|__|~~|\*|`+)(?=\S)([^*`~\n]{0,200}?\S)\1(?!\w)", r"\2"),  # emphasis, code
    rule(r"(?<!\w)_(?=\S)([^_\n]{1,200})_(?!\w)", r"\1"),
    rule(r"([^\w\s])\1{3,}", r"\1\1\1"),  # a row of dashes, say
)
