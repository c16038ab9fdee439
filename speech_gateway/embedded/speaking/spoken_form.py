"""Writes out what an English voice would skip or misread: addresses, emoji, code, symbols.

Plain numbers, dates, times and units are the voice's own: hibari reads them.
"""

import re
import unicodedata

import emoji

from . import written_addresses, written_markup, written_numbers
from .rules import rewritten

LONGEST_WORD = 40
"""Characters without a space; reading longer ones takes hibari seconds."""
MANY = 4
"""Emoji of one kind in a row that are counted."""

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
    "−": " minus ",
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
    "‹": "'",
    "›": "'",
    "‚": ",",
    "µ": "micro",
}
_COMPATIBLE = re.compile(
    "[\u2080-\u2089\u2160-\u2188\u2460-\u24ff\ufb00-\ufb06\uff01-\uff5e\U0001d400-\U0001d7ff]"
)
"""Letters and digits in another shape: lowered, Roman, enclosed, wide, mathematical."""
_FOLDED = str.maketrans("ŁłĐđØøÞþÐðĦħıŒœÆæſ", "LlDdOoTtDdHhiOoAas")
_PUNCTUATION = set(" .,;:!?'\"()[]{}<>-–—…“”‘’„«»/&@#%$€£¥₹₩¢+*=~^°_`′″") | set("¿¡•·©§¶±×÷²³¹")
"""What the voice pauses at, reads, or rightly says nothing for."""


def spoken_form(text: str) -> str:
    """Return an English text with all that is to be heard in it written out."""
    text = _plain_letters(_without_emoji(unicodedata.normalize("NFC", text)))
    if not any(character.isalnum() for character in text):
        return " ".join(filter(None, map(_name, text)))  # there is nothing else in it to say
    text = re.sub(r"\.{3,}", "…", _small_letters(text))
    for rules in (written_markup.RULES, written_addresses.RULES, written_numbers.RULES):
        text = rewritten(text, rules)
    text = "".join(map(_known, re.sub(r"(?<!\w)\w(?!\w)", _base_letter, text)))
    return re.sub(rf"\S{{{LONGEST_WORD + 1},}}", _broken, text)


def _without_emoji(text: str) -> str:
    """Return text with the names of its emoji; the same one in a row is counted."""
    made, at, name, times = "", 0, "", 0

    def counted() -> str:
        return ", ".join([name] * times if times < MANY else [f"{name}, {times} times"])

    for found in emoji.analyze(text):
        match = found.value
        assert not isinstance(match, str)
        assert match.data is not None
        following = match.data["en"].strip(":").replace("_", " ").replace("-", " ")
        between = text[at : match.start]
        if times and (between.strip() or following != name):
            made, times = f"{made}, {counted()}, ", 0
        made, at, name, times = made + between, match.end, following, times + 1
    return (f"{made}, {counted()}, " if times else made) + text[at:]


def _plain_letters(text: str) -> str:
    """Return text with letters and digits in their usual shape."""
    text = _COMPATIBLE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    if text.isascii():
        return text
    return "".join(
        str(unicodedata.digit(one)) if one.isdecimal() and not one.isascii() else one
        for one in text
    )


def _small_letters(text: str) -> str:
    """Return a text that is all in capitals in small letters, but for what may be an acronym."""
    letters = [one for one in text if one.isalpha()]
    shouted = len(letters) > 12 and sum(map(str.isupper, letters)) > 0.8 * len(letters)
    return re.sub(r"[^\W\d_]{4,}", lambda word: word[0].lower(), text) if shouted else text


def _base_letter(match: re.Match[str]) -> str:
    """Return a letter that stands alone without its marks."""
    return unicodedata.normalize("NFKD", match[0].translate(_FOLDED))[0]


def _name(character: str) -> str:
    """Return what a character is called; nothing for one that nobody sees."""
    if character.isspace() or unicodedata.category(character)[0] in "MC":
        return ""
    own = written_addresses.SIGNS.get(character) or _SYMBOLS.get(character)
    return own.strip() if own else unicodedata.name(character, "unknown character").lower()


def _known(character: str) -> str:
    """Return a character as the voice knows it, or its name."""
    if character in _SYMBOLS:
        return _SYMBOLS[character]
    if character in _PUNCTUATION or character.isspace():
        return character
    if character.isalnum() and _is_latin(character):
        return character
    name = _name(character)
    letter = re.search(r"letter (\w+)$", name)
    return f" {letter[1] if letter else name} " if name else ""


def _is_latin(character: str) -> bool:
    return character.isascii() or "LATIN" in unicodedata.name(character, "")


def _broken(match: re.Match[str]) -> str:
    """Return a long word in parts: at its signs, or else anywhere."""
    apart = re.sub(r"(?<=[^\w])(?=\w)", " ", match[0])
    return re.sub(rf"(\S{{{LONGEST_WORD}}})(?=\S)", r"\1 ", apart)
