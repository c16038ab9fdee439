"""Writes out what an English voice would skip or misread: addresses, emoji, code, symbols.

Numbers, dates, times, money and units are the voice's own: hibari reads them.
"""

import re
import unicodedata
from collections.abc import Callable

import emoji

_Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]

_IN_ADDRESS = {
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
}
_SYMBOLS = {
    "→": " arrow ",
    "←": " left arrow ",
    "↑": " up arrow ",
    "↓": " down arrow ",
    "⇒": " implies ",
    "∞": " infinity ",
    "≈": " is about ",
    "≠": " is not equal to ",
    "≤": " is at most ",
    "≥": " is at least ",
    "√": " square root of ",
    "∑": " sum ",
    "∫": " integral ",
    "∈": " in ",
    "™": " trademark ",
    "®": " registered ",
    "†": " dagger ",
    "✓": " check ",
    "✔": " check ",
    "✗": " cross ",
    "₿": " bitcoin ",
    "₽": " rubles ",
    "₺": " lira ",
    "₪": " shekels ",
    "₫": " dong ",
    "₴": " hryvnias ",
    "฿": " baht ",
    "\\": " backslash ",
    "|": " bar ",
    "ß": "ss",
}
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
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_RAISED = re.compile(r"(?<=\d)(?:[⁺⁻⁰⁴-⁹][⁰¹²³⁴-⁹]*|[¹²³][⁰¹²³⁴-⁹]+)")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_TOP_LEVEL = "com|org|net|edu|gov|io|co|uk|de|fr|info|biz|us|ca|au|tv|me|ly|ai|dev|app|eu|ch|at|nl"
_PUNCTUATION = set(" .,;:!?'\"()[]{}<>-–—…“”‘’„«»/&@#%$€£¥₹₩¢+*=~^°_`′″") | set("¿¡•·©§¶±×÷½¼¾²³¹")
"""What the voice pauses at, reads, or rightly says nothing for."""


def spoken_form(text: str) -> str:
    """Return an English text with all that is to be heard in it written out."""
    text = emoji.replace_emoji(unicodedata.normalize("NFC", text), _emoji)
    text = _RAISED.sub(_power, text).translate(_LOWERED)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    text = "".join(_SYMBOLS.get(character, character) for character in text)
    if not any(character.isalnum() for character in text):
        return " ".join(filter(None, map(_name, text)))  # there is nothing else in it to say
    return "".join(map(_known, text))


def _emoji(_characters: str, data: dict[str, str]) -> str:
    name = data["en"].strip(":").replace("_", " ").replace("-", " ")
    return f", {name}, "


def _address(match: re.Match[str]) -> str:
    address = match[0].rstrip(".,;:!?)")
    spoken = re.sub(
        r"[^\w]|_", lambda at: _IN_ADDRESS.get(at[0], at[0]), _shortened_scheme(address)
    )
    return f"{spoken} {match[0][len(address) :]}"


def _shortened_scheme(address: str) -> str:
    """Return an address with its letters apart where they are no word."""
    address = re.sub(r"^(https?|ftp)(?=:)", lambda at: " ".join(at[1].upper()), address)
    return re.sub(r"\bwww\b", "W W W", address)


def _power(match: re.Match[str]) -> str:
    exponent = unicodedata.normalize("NFKC", match[0]).replace("\u2212", "minus ")
    return f" to the power of {exponent.replace('+', '')}"


def _code(match: re.Match[str]) -> str:
    return "".join(_IN_CODE.get(character, character) for character in match[0])


def _dotted(match: re.Match[str]) -> str:
    return match[0].replace(".", " dot ")


def _each_digit(match: re.Match[str]) -> str:
    groups = re.findall(r"\d+", match[0])
    spoken = ", ".join(" ".join(_DIGITS[int(digit)] for digit in group) for group in groups)
    return f"plus {spoken}" if match[0].startswith("+") else spoken


def _roman(match: re.Match[str]) -> str:
    total, before = 0, 0
    for numeral in reversed(match[2].upper()):
        value = _ROMAN[numeral]
        total += value if value >= before else -value
        before = max(before, value)
    return f"{match[1]} {total}"


def _feet(match: re.Match[str]) -> str:
    return f"{match[1]} foot {match[2]}"


def _name(character: str) -> str:
    """Return what a character is called; nothing for one that nobody sees."""
    if character.isspace() or unicodedata.category(character)[0] in "MC":
        return ""
    own = _IN_ADDRESS.get(character) or _SYMBOLS.get(character)
    return own.strip() if own else unicodedata.name(character, "").lower()


def _known(character: str) -> str:
    """Return a character as the voice knows it, or its name."""
    if character in _PUNCTUATION or character.isspace():
        return character
    if character.isalnum() and _is_latin(character):
        return character
    name = _name(character)
    letter = re.search(r"letter (\w+)$", name)
    return f" {letter[1] if letter else name} " if name else ""


def _is_latin(character: str) -> bool:
    return character.isascii() or "LATIN" in unicodedata.name(character, "")


def _rule(pattern: str, replacement: str | Callable[[re.Match[str]], str]) -> _Rule:
    return re.compile(pattern), replacement


_RULES: tuple[_Rule, ...] = (
    _rule(r"(?m)^\s*(?:[-*•‣▪]|#{1,6})\s+", ""),  # marks of lists and headings
    _rule(r"(\*\*|__|\*|`+)(?=\S)([^*`\n]*?\S)\1(?!\w)", r"\2"),  # of emphasis and code
    _rule(r"\b(?:https?|ftp)://\S+|\bwww\.\S+", _address),
    _rule(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _address),
    _rule(rf"\b(?:[\w-]+\.)+(?:{_TOP_LEVEL})\b(?:/\S*)?", _address),
    _rule(r"(?<![\w/])~?(?:/[\w.-]+){2,}/?", _address),  # a file's path
    _rule(r"\bv(?=\d+(?:\.\d+)+)", "version "),
    _rule(r"(?<![\w.])\d+(?:\.\d+){2,}(?![\w.]*\w)", _dotted),  # a version, an address
    _rule(r"(?<![\w.])\.(?=\d)", "0."),
    _rule(r"\bC#", "C sharp"),
    _rule(r"\bF#", "F sharp"),
    _rule(r"(?<!\w)\.(?=[A-Za-z]{2})", "dot "),  # .NET
    _rule(r"\b[A-Za-z_][\w-]+(?:\.[A-Za-z_]\w+)+\b", _dotted),  # a file's name
    _rule(r"!=", " is not equal to "),
    _rule(r"==+", " equals "),
    _rule(r"<=", " is at most "),
    _rule(r">=", " is at least "),
    _rule(r"[-=]+>", " arrow "),
    _rule(r"&&", " and "),
    _rule(r"\|\|", " or "),
    _rule(r"\w*(?:\w[\[({]|_\w|\$[A-Za-z])\S*", _code),
    _rule(r"[\[{]", "("),  # outside of code, as any parenthesis
    _rule(r"[\]}]", ")"),
    _rule(r"(?<=\d)\s?[-–]\s?(?=\d{1,2}:\d\d)", " to "),
    _rule(
        r"(?<!\w)(?!\d{4}-\d\d-\d\d\b)\+?\(?\d{1,4}\)?(?:[ -]\(?\d{2,4}\)?){2,}(?![\w-])",
        _each_digit,
    ),
    _rule(r"(?<![\w-])\d{3}-\d{4}\b(?![\w-])", _each_digit),
    _rule(r"(?<![\w.,:])\+\d{6,}\b", _each_digit),
    _rule(r"(?<![\w.,:/-])0\d+\b(?![.,:/-]\d)", _each_digit),
    _rule(r"(\d+)'\s?(\d+)(?:\"|″)?", _feet),
    _rule(r"(?<=\d)(?:\"|″)", " inches"),
    _rule(
        r"\b((?i:chapter|part|section|volume|act|scene|book|phase|type|class|level|figure|table|"
        r"article|appendix|war|bowl|mark))\s+([IVXL]+|[ivxl]+)\b(?![.'’]\w)",
        _roman,
    ),
)
