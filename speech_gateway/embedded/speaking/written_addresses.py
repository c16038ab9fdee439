"""Addresses of all kinds, files' names and code: their signs are said."""

import re

from .rules import Rule, rule

SIGNS = {
    ".": " dot ",
    "/": " slash ",
    ":": " colon ",
    "@": " at ",
    "-": " dash ",
    "_": " underscore ",
    "?": " question mark ",
    "&": " and ",
    "=": " equals ",
    "#": " hash ",
    "%": " percent ",
    "+": " plus ",
    "~": " tilde ",
    ",": " comma ",
    ";": " semicolon ",
    "(": " open parenthesis ",
    ")": " close parenthesis ",
}
"""What is said in an address."""
_IN_CODE = {
    "_": " underscore ",
    "[": " open bracket ",
    "]": " close bracket ",
    "{": " open brace ",
    "}": " close brace ",
    "(": " open parenthesis ",
    ")": " close parenthesis ",
    "*": " star ",
    "^": " caret ",
    "~": " tilde ",
    "$": " dollar ",
    "<": " less than ",
    ">": " greater than ",
}
_TOP_LEVEL = "com|org|net|edu|gov|io|co|uk|de|fr|info|biz|us|ca|au|tv|me|ly|ai|dev|app|eu|ch|at|nl"


def _address(match: re.Match[str]) -> str:
    address = match[0].rstrip(".,;:!?")
    if address.count(")") > address.count("("):
        address = address.rstrip(")")
    spoken = re.sub(r"[^\w]|_", lambda at: SIGNS.get(at[0], at[0]), _with_letters_apart(address))
    return f"{spoken} {match[0][len(address) :]}"


def _with_letters_apart(address: str) -> str:
    """Return an address with its letters apart where they are no word."""
    address = re.sub(r"^([a-z]{2,5})(?=://)", lambda at: " ".join(at[1].upper()), address)
    return re.sub(r"\bwww\b", "W W W", address)


def _code(match: re.Match[str]) -> str:
    return "".join(_IN_CODE.get(character, character) for character in match[0])


def _dotted(match: re.Match[str]) -> str:
    return match[0].replace(".", " dot ")


RULES: tuple[Rule, ...] = (
    rule(r"\b[a-z][a-z+-]{1,9}://\S{1,2000}|\b(?:www\.|mailto:|tel:)\S{1,2000}", _address),
    rule(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}", _address),
    rule(rf"(?<![\w-])(?:[\w-]{{1,63}}\.){{1,8}}(?:{_TOP_LEVEL})\b(?:/\S{{0,300}})?", _address),
    rule(r"(?<![\w/])(?:~|\.{1,2})?(?:/[\w.-]{1,255}){2,}/?|(?<!\S)\.{1,2}/\S{0,300}", _address),
    rule(r"\bv(?=\d+(?:\.\d+)+)", "version "),
    rule(
        r"(?<![\w.])(?!\d\d?\.\d\d?\.\d{4}\b)\d{1,5}(?:\.\d{1,5}){2,7}(?![\w.]*\w)", _dotted
    ),  # a version
    rule(r"\bC#", "C sharp"),
    rule(r"\bF#", "F sharp"),
    rule(r"(?<!\w)\.(?=[A-Za-z]{2})", "dot "),  # .NET
    rule(r"\b[A-Za-z_][\w-]{1,63}(?:\.[A-Za-z_]\w{1,63}){1,8}\b", _dotted),  # a file's name
    rule(r"!=", " is not equal to "),
    rule(r"==+", " equals "),
    rule(r"<=", " is at most "),
    rule(r">=", " is at least "),
    rule(r"[-=]+>", " arrow "),
    rule(r"&&", " and "),
    rule(r"\|\|", " or "),
    rule(r"::", " colon colon "),
    rule(r"(?<=\w)\*\*(?=\w)", " star star "),
    rule(r"(?<=\s)\*(?=\s)", "star"),
    rule(r"(?:\w[\[({]|_\w|\$[A-Za-z])\S{0,300}", _code),
    rule(r"[\[{]", "("),  # outside of code, as any parenthesis
    rule(r"[\]}]", ")"),
)
