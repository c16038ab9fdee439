"""Tells the language of a text, and cuts it where the language changes.

A script tells most languages. Those in Latin letters are told by their commonest words: where
these do not agree clearly, as in a name or a few words, the text counts as English. Languages are
named as espeak-ng names them.
"""

import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files

import yaml

ENGLISH = "en"

_SCRIPTS: tuple[tuple[str, str], ...] = (
    ("\u0370-\u03ff\u1f00-\u1fff", "el"),
    ("\u0400-\u052f", "ru"),
    ("\u0530-\u058f", "hy"),
    ("\u0590-\u05ff", "he"),
    ("\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff", "ar"),
    ("\u0900-\u097f", "hi"),
    ("\u0980-\u09ff", "bn"),
    ("\u0a00-\u0a7f", "pa"),
    ("\u0a80-\u0aff", "gu"),
    ("\u0b00-\u0b7f", "or"),
    ("\u0b80-\u0bff", "ta"),
    ("\u0c00-\u0c7f", "te"),
    ("\u0c80-\u0cff", "kn"),
    ("\u0d00-\u0d7f", "ml"),
    ("\u0d80-\u0dff", "si"),
    ("\u0e00-\u0e7f", "th"),
    ("\u1000-\u109f", "my"),
    ("\u10a0-\u10ff\u2d00-\u2d2f", "ka"),
    ("\u1100-\u11ff\u3130-\u318f\uac00-\ud7af", "ko"),
    ("\u1200-\u139f", "am"),
    ("\u13a0-\u13ff", "chr"),
    ("\u3040-\u30ff\u31f0-\u31ff", "ja"),
    ("\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff", "cmn"),
)
"""Ranges of characters, and the language that most of what is written in them is in."""
_LETTERS = tuple((re.compile(f"[{ranges}]"), language) for ranges, language in _SCRIPTS)
_ANY = "".join(ranges for ranges, _ in _SCRIPTS)
_BETWEEN = r"\u0300-\u036f\u200c\u200d\s,.!?\-、。！？،؟"
_FOREIGN = re.compile(f"[{_ANY}](?:[{_ANY}{_BETWEEN}]*[{_ANY}])?")
_WORD = re.compile(r"[^\W\d_]{2}")
_KANA = re.compile("[\u3040-\u30ff]")

_OWN_LETTERS: dict[str, tuple[tuple[str, str], ...]] = {
    "ru": (("ў", "be"), ("іїєґ", "uk"), ("ѓѕќ", "mk"), ("ђјљњћџ", "sr"), ("әғқңөұүһ", "kk")),
    "ar": (("ٹڈڑںےہ", "ur"), ("پچژگکی", "fa")),
}
"""By the language of a script: letters that another language has in it."""

_LATIN_WORD = re.compile(r"[^\W\d_]+")
_COMMON: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in yaml.safe_load(
        files(__package__).joinpath("common_words.yml").read_text("utf-8")
    ).items()
}

_SIBLINGS = frozenset(map(frozenset, (("da", "nb"), ("cs", "sk"), ("es", "ca"))))
"""Languages with many words in common: a voice of either is better than an English one."""

LEAST_HITS = 2
"""Different common words of a language, of two letters or more, that a text has to have."""
NEAR = 8
"""Characters before a word that tell whether a sentence begins with it."""
LEAST_SHARE = 0.25
"""Of all words, those that are common in the language."""
LEAD = 1.4
"""So many times more than any other language's."""
MOST_ENGLISH = 0.6
"""Of all words, those that English may have too."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a text that is in one language."""

    text: str
    language: str


class TextLanguage:
    """The language of a text, and of the parts of its sentences.

    Args:
        english: all English words, in small letters; None if they are not known, and no language
            in Latin letters is told then.
    """

    def __init__(self, text: str, english: Container[str] | None) -> None:
        self._english = english
        self._letters = frozenset(text.lower())
        self._has_kana = _KANA.search(text) is not None
        self._usual = self._latin(text) or ENGLISH

    def stretches(self, sentence: str) -> Iterator[Stretch]:
        """Yield the parts of a sentence, cut where its script changes."""
        runs = [run for run in self._runs(sentence) if run.text.strip()]
        letters: Counter[str] = Counter()
        for run in runs:
            letters[run.language] += sum(map(str.isalpha, run.text))
        if letters.total() > 2 * letters[""]:  # a Latin name in it does not change the voice
            del letters[""]
            yield Stretch(sentence, letters.most_common(1)[0][0])
            return
        latin = self._latin(sentence) or self._usual
        for run in runs:
            yield Stretch(run.text, run.language or latin)

    def _latin(self, text: str) -> str | None:
        """Return the language of what is in Latin letters, None when that is not clear."""
        words = _words(text)
        if self._english is None or not words:
            return None
        english = sum(word in self._english for word in words)
        if english > MOST_ENGLISH * len(words):
            return None
        scores = {
            language: sum(word in common for word in words) / len(words)
            for language, common in _COMMON.items()
            if sum(len(word) > 1 for word in common.intersection(words)) >= LEAST_HITS
        }
        best = max(scores, key=scores.__getitem__, default=ENGLISH)
        if best == ENGLISH or scores[best] < LEAST_SHARE:
            return None
        rivals = [
            score
            for other, score in scores.items()
            if other != best and frozenset((best, other)) not in _SIBLINGS
        ]
        return best if scores[best] >= LEAD * max(rivals, default=0.0) else None

    def _runs(self, sentence: str) -> Iterator[Stretch]:
        """Yield runs of one script; Latin letters, digits and signs have the language ''."""
        begins = 0
        for run in _FOREIGN.finditer(sentence):
            language = self._by_script(run[0])
            if not (_WORD.search(run[0]) or language in ("cmn", "ko")):
                continue  # letters in a formula, or in a face made of signs
            yield Stretch(sentence[begins : run.start()], "")
            yield Stretch(run[0], language)
            begins = run.end()
        yield Stretch(sentence[begins:], "")

    def _by_script(self, run: str) -> str:
        language = next(language for script, language in _LETTERS if script.match(run))
        if language == "cmn" and self._has_kana:
            return "ja"
        for letters, other in _OWN_LETTERS.get(language, ()):
            if not self._letters.isdisjoint(letters):
                return other
        return language


def _words(text: str) -> list[str]:
    """Return the words that are no names: those in small letters, and the first of a sentence."""
    return [word[0].lower() for word in _LATIN_WORD.finditer(text) if _is_no_name(text, word)]


def _is_no_name(text: str, word: re.Match[str]) -> bool:
    before = text[max(0, word.start() - NEAR) : word.start()].rstrip(" \"'¿¡«“„(")
    return word[0].islower() or not before[-1:].isalnum()
