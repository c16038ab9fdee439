"""Has each part of a text spoken by the voice for it."""

from collections.abc import Callable, Container, Iterator, Mapping

from ..pipeline_params import SpeakPlan
from .espeak import Espeak
from .samples import Samples
from .text_language import ENGLISH, TextLanguage
from .voice_names import HEART, has_heart, voice_names

Speak = Callable[[str, float], Iterator[Samples]]
"""Speaks a text at a speed."""


class Voices:
    """All voices of the engine, loaded."""

    def __init__(self) -> None:
        self.espeak = Espeak()
        self._names: Mapping[str, str] = voice_names()
        self.english: Container[str] | None = None
        self._heart: Speak | None = None
        if has_heart():
            from .heart import Heart  # noqa: PLC0415 - it may not be installed

            heart = Heart()
            self._heart, self.english = heart.speak, heart.words

    def speaking(self, text: str, plan: SpeakPlan) -> Callable[[str], Iterator[Samples]]:
        """Return what speaks the sentences of text as plan asks, in parts."""
        if plan.voice != HEART:
            name = self._names[plan.voice]

            def by_one_voice(sentence: str) -> Iterator[Samples]:
                yield self.espeak.speak(sentence, plan.speed, name)

            return by_one_voice
        language = TextLanguage(text, self.english)

        def by_language(sentence: str) -> Iterator[Samples]:
            for stretch in language.stretches(sentence):
                yield from self._in_language(stretch.text, plan.speed, stretch.language)

        return by_language

    def _in_language(self, text: str, speed: float, language: str) -> Iterator[Samples]:
        if language != ENGLISH or self._heart is None:
            yield self.espeak.speak(text, speed, "en-us" if language == ENGLISH else language)
            return
        try:
            yield from self._heart(text, speed)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            # What its reading of text trips over costs no more than its voice.
            yield self.espeak.speak(text, speed, "en-us")
