"""One request's utterances, in order, as lines of JSON."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from ...media.utterances import Utterance
from ...media.voice_activity import RATE
from ...tasks import cancel_and_wait
from ..pipeline_params import TranscribePlan
from .transcriber import Transcriber
from .whisper_model import Heard, Word

LIVE = 0.05
"""Seconds after which a pause is a live speaker's: what follows in a file has come by then."""


class Transcription:
    """Transcribes the utterances of one request, one after another."""

    def __init__(self, transcriber: Transcriber, plan: TranscribePlan) -> None:
        self._transcriber = transcriber
        self._plan = plan
        self._ahead: _LookAhead | None = None
        self._in_vain: asyncio.Task[Heard | None] | None = None
        """What was begun for a pause that was no end: a thread cannot be stopped."""

    async def lines(self, utterances: AsyncIterator[Utterance | None]) -> AsyncGenerator[str]:
        """Yield an empty text once the audio has decoded, then a line for each utterance."""
        try:
            async for utterance in utterances:
                if utterance is None:
                    yield ""
                elif not utterance.ended:
                    await self._look_ahead(utterance)
                elif (heard := await self._heard(utterance)) is not None:
                    yield line(utterance, heard, with_words=self._plan.word_timestamps)
        finally:
            await self._end()

    async def _look_ahead(self, utterance: Utterance) -> None:
        await self._forget()
        if self._in_vain is None or self._in_vain.done():
            self._ahead = _LookAhead(self._transcriber, self._plan, utterance)

    async def _heard(self, utterance: Utterance) -> Heard | None:
        if self._ahead is not None and self._ahead.is_for(utterance):
            ahead, self._ahead = self._ahead, None
            return await ahead.task
        await self._forget()
        return await self._transcriber.transcribe(utterance.samples, self._plan)

    async def _forget(self) -> None:
        """Give up what was to be transcribed ahead, as far as it can be stopped."""
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            return
        if ahead.begun:
            self._in_vain = ahead.task
        else:
            await cancel_and_wait(ahead.task)

    async def _end(self) -> None:
        """Wait for nothing more."""
        await self._forget()
        if self._in_vain is not None:
            await cancel_and_wait(self._in_vain)


class _LookAhead:
    """Transcribes what a live speaker said before a pause, which may turn out to be the end.

    The text is then ready, or nearly, when the silence has lasted long enough. It is done only
    where a turn is free, and one beside it: nobody waits for what may be in vain.
    """

    def __init__(
        self, transcriber: Transcriber, plan: TranscribePlan, utterance: Utterance
    ) -> None:
        self.begun = False
        """Whether a thread is at it."""
        self._utterance = utterance
        self.task = asyncio.create_task(self._transcribe(transcriber, plan))

    def is_for(self, utterance: Utterance) -> bool:
        """Return whether utterance is what is being transcribed."""
        return self.begun and self._utterance.samples == utterance.samples

    async def _transcribe(self, transcriber: Transcriber, plan: TranscribePlan) -> Heard | None:
        await asyncio.sleep(LIVE)
        if not transcriber.has_spare:
            return None
        self.begun = True
        return await transcriber.transcribe(self._utterance.samples, plan)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an utterance stands in the stream, in milliseconds."""

    start: int
    end: int

    def of(self, word: Word) -> tuple[int, int]:
        """Return where a word of it stands."""
        return (
            min(self.start + round(word.start * 1000), self.end),
            min(self.start + round(word.end * 1000), self.end),
        )


def line(utterance: Utterance, heard: Heard, *, with_words: bool) -> str:
    """Return a transcript in StreamKit's form."""
    seconds = len(utterance.samples) // 2 / RATE
    start = round(utterance.start / RATE * 1000)
    place = _Place(start, start + round(seconds * 1000))
    segment: dict[str, object] = {
        "text": heard.text,
        "start_time_ms": place.start,
        "end_time_ms": place.end,
        "confidence": round(heard.probability, 3),
    }
    if with_words:
        segment["words"] = [_word(word, place) for word in heard.words]
    inner = {
        "text": heard.text,
        "segments": [segment],
        "language": heard.language,
        "metadata": None,
    }
    return json.dumps({"Transcription": inner}, separators=(",", ":"), ensure_ascii=False)


def _word(word: Word, place: _Place) -> dict[str, object]:
    start, end = place.of(word)
    return {
        "word": word.text,
        "start_time_ms": start,
        "end_time_ms": end,
        "confidence": round(word.probability, 3),
    }
