"""Cuts a text into sentences, as they are spoken: each leaves before the next is begun."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 300
"""Characters spoken at once; a longer sentence is cut where it pauses, or else at a space."""

_WITHOUT_SPACE = "。！？"
TAIL = 24
"""Characters before its end that tell whether a sentence ends there."""
_PARAGRAPH = re.compile(r"\s*\n\s*")
_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])")
_CLAUSE = re.compile(r"(?<=[,;:—、，；：])\s*")
_ABBREVIATION = re.compile(
    r"""(?: \b(?:Mr|Mrs|Ms|Dr|Prof|St|Sgt|Capt|Lt|Col|Gen|Rev|Hon|Gov|Sen|Rep|Jr|Sr|vs|approx|dept|
             est|vol|ch|pp?|ed|eds|fig|figs|inc|ltd|bzw|ca|usw|Nr|Hr|Fr|M|Mme|Mlle|Sr|Sra)
          | \b[A-Z]             # an initial
          | (?:\b[A-Za-z]\.){1,6}[A-Za-z]  # e.g., U.S., p.m.
        )\.$""",
    re.VERBOSE | re.IGNORECASE,
)
"""What a full stop follows that ends no sentence, unless a capital letter comes next."""
_NEVER_LAST = re.compile(
    r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|Sgt|Capt|Lt|Col|Gen|Rev|Hon|Gov|Sen|Rep|Nr)\.$|\b[A-Z]\.$"
)
_NUMBER_FOLLOWS = re.compile(
    r"\b(?:No|Nos|Nr|Fig|Figs|Vol|Ch|pp?|Sec|Art|Apt|Ext|Tel|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|"
    r"Nov|Dec)\.$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is spoken at once, and the seconds of pause after it."""

    text: str
    pause: float


SENTENCE_PAUSE, PARAGRAPH_PAUSE, CLAUSE_PAUSE = 0.4, 0.8, 0.15


def sentences(text: str, least: int) -> Iterator[Sentence]:
    """Yield text's sentences; those under least characters are joined with what follows."""
    for paragraph in _PARAGRAPH.split(text.strip()):
        found = _joined(_sentences(paragraph), least)
        sentence = next(found, None)
        while sentence is not None:
            following = next(found, None)
            *parts, last = _short_enough(sentence)
            yield from (Sentence(part, CLAUSE_PAUSE) for part in parts)
            yield Sentence(last, PARAGRAPH_PAUSE if following is None else SENTENCE_PAUSE)
            sentence = following


def _sentences(paragraph: str) -> Iterator[str]:
    begins = 0
    for end in _END.finditer(paragraph):
        tail = paragraph[max(begins, end.start() - TAIL) : end.start()]
        if _ends_sentence(tail, paragraph[end.end() : end.end() + 1]):
            yield paragraph[begins : end.end()].strip()
            begins = end.end()
    yield paragraph[begins:].strip()


def _ends_sentence(so_far: str, following: str) -> bool:
    if not so_far.endswith("."):
        return True
    if _NEVER_LAST.search(so_far) or (following.isdigit() and _NUMBER_FOLLOWS.search(so_far)):
        return False
    return following.isupper() or not (following.islower() or _ABBREVIATION.search(so_far))


def _joined(found: Iterator[str], least: int) -> Iterator[str]:
    held = ""
    for sentence in found:
        between = " " if held and sentence and held[-1] not in _WITHOUT_SPACE else ""
        held = f"{held}{between}{sentence}"
        if len(held) >= least:
            yield held
            held = ""
    if held:
        yield held


def _short_enough(sentence: str) -> list[str]:
    """Return sentence in parts of at most LONGEST characters, cut where it pauses if it does."""
    parts: list[str] = []
    while len(sentence) > LONGEST:
        cuts = [at.end() for at in _CLAUSE.finditer(sentence, 0, LONGEST)]
        cut = cuts[-1] if cuts else sentence.rfind(" ", 0, LONGEST) + 1
        cut = cut or LONGEST
        parts.append(sentence[:cut].strip())
        sentence = sentence[cut:]
    return [part for part in [*parts, sentence.strip()] if part] or [""]
