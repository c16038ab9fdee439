"""A text that comes in parts, as pieces to be spoken: whole sentences, as many as are there."""

import asyncio
from collections import deque

from sentence_stream import SentenceBoundaryDetector

MAX_HELD = 64 * 1024
"""Characters that are held; who sends more has to wait until some are spoken."""
SLICE = 256
"""Characters that are looked through before others have their turn: a few milliseconds at worst."""
ASTERISK, STAND_IN = "*", "\ue000"
"""The detector takes asterisks for markup, and leaves them out: in 2*3 as well."""
LONGEST_SENTENCE = 1000
"""Characters; what has no end by then is none."""


class TextPieces:
    """Splits a text at the ends of sentences, and a sentence that is too long at spaces.

    A text that is there as a whole, and is no longer than a piece, is one, as it is.

    Args:
        max_characters: of a piece.
    """

    def __init__(self, max_characters: int) -> None:
        self._most = max_characters
        self._detector = SentenceBoundaryDetector()
        self._text = ""
        """What has come and was not looked through, from _at on."""
        self._at = 0
        self._sentences: deque[str] = deque()
        self._begun = self._ended = self._closed = False
        self._changed = asyncio.Event()

    async def add(self, text: str) -> None:
        """Add a part of the text, as soon as there is room for it."""
        while len(self._text) - self._at > MAX_HELD and not self._closed:
            await self._change()
        if not self._closed:
            self._text, self._at = self._text[self._at :] + text, 0
            self._changed.set()

    def end(self) -> None:
        """Say that no more will come."""
        self._ended = True
        self._changed.set()

    def close(self) -> None:
        """Hold nothing, now and later: nobody will take it."""
        self._closed, self._text, self._at = True, "", 0
        self._changed.set()

    async def next(self) -> str:
        """Return the next piece, as soon as a sentence is complete; nothing at the end."""
        if self._ended and not self._begun and len(self._text) <= self._most:
            whole, self._text = self._text, ""
            return whole.strip()
        self._begun = True
        piece = ""
        while True:
            while self._sentences:
                joined = f"{piece} {self._sentences[0]}" if piece else self._sentences[0]
                if len(joined) > self._most:
                    return piece
                if _says_something(self._sentences.popleft()):
                    piece = joined
            if self._at < len(self._text) or (self._ended and self._unfinished):
                self._look_on()
                await asyncio.sleep(0)
            elif piece or self._ended:
                return piece
            else:
                await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    @property
    def _unfinished(self) -> int:
        """Characters that the detector holds: those of a sentence without an end."""
        return len(self._detector.current_sentence) + len(self._detector.remaining_text)

    def _look_on(self) -> None:
        """Look through some of the text; at its end, take what is left for a sentence."""
        part = self._text[self._at : self._at + SLICE].replace(ASTERISK, STAND_IN)
        self._at += len(part)
        self._keep(*self._detector.add_chunk(part))
        if not part:
            self._keep(self._detector.finish())
        elif self._unfinished > LONGEST_SENTENCE:
            self._cut()
        self._changed.set()

    def _cut(self) -> None:
        """Take what the detector holds for a sentence, but for a word whose end is not there."""
        held = self._detector.current_sentence + self._detector.remaining_text
        end = _last_space(held) or len(held)
        self._detector.current_sentence, self._detector.remaining_text = "", held[:end]
        self._keep(self._detector.finish(), *self._detector.add_chunk(held[end:]))

    def _keep(self, *sentences: str) -> None:
        for sentence in sentences:
            rest = sentence.strip().replace(STAND_IN, ASTERISK)
            while len(rest) > self._most:
                end = _last_space(rest[: self._most + 1]) or self._most
                self._sentences.append(rest[:end].rstrip())
                rest = rest[end:].lstrip()
            if rest:
                self._sentences.append(rest)


def _last_space(text: str) -> int:
    """Return where the last white space begins, of any script; 0 where there is none."""
    return next((at for at in range(len(text) - 1, 0, -1) if text[at].isspace()), 0)


def _says_something(text: str) -> bool:
    """Return whether there is a letter or a digit to be spoken."""
    return any(character.isalnum() for character in text)
