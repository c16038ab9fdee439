"""Transcripts, as the backend tells them piece by piece."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import UpstreamError
from ..upstream.json_stream import JsonObjects, Part

MAX_BYTES = 16 * 1024 * 1024
"""Bytes of transcripts that are held until all have come; days of speech."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Some words and their times, in seconds from the beginning of the audio."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its times, in seconds from the beginning of the audio."""

    text: str
    start: float
    end: float


@dataclass(slots=True)
class Transcript:
    """Everything that was transcribed of one upload."""

    texts: list[str] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    translated: bool = False
    """Whether the text is in English, whatever was spoken."""
    language: str = ""
    duration: float = 0.0
    """Seconds of audio."""

    @property
    def text(self) -> str:
        """The whole text."""
        return " ".join(self.texts)

    def add(self, heard: Mapping[str, Any]) -> str:
        """Add one of the backend's transcripts; return its text."""
        self.language = self.language or _clean(heard.get("language"))
        segments = heard.get("segments")
        for segment in segments if isinstance(segments, list) else ():
            self._add_segment(segment)
        text = _clean(heard["text"])
        if text:
            self.texts.append(text)
        return text

    def _add_segment(self, segment: object) -> None:
        if not isinstance(segment, dict) or not isinstance(segment.get("text"), str):
            return
        start, end = _times(segment, self.segments[-1].end if self.segments else 0.0)
        self.segments.append(Segment(_clean(segment["text"]), start, end))
        words = segment.get("words")
        for word in words if isinstance(words, list) else ():
            if isinstance(word, dict) and (text := _clean(word.get("word"))):
                self.words.append(Word(text, *_times(word, start)))


def _clean(text: object) -> str:
    """Return a text on one line that UTF-8 can encode: half a surrogate pair is no character."""
    if not isinstance(text, str):
        return ""
    return " ".join(text.split()).encode("utf-8", "replace").decode()


def _times(timed: Mapping[str, Any], otherwise: float) -> tuple[float, float]:
    """Return the start and end of a segment or word; otherwise is a start that is not told."""
    start = _seconds(timed.get("start_time_ms"), otherwise)
    return start, max(_seconds(timed.get("end_time_ms"), start), start)


def _seconds(milliseconds: object, otherwise: float) -> float:
    """Return a time in seconds; otherwise, when it is missing, no number, NaN or negative."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return otherwise
    try:
        seconds = milliseconds / 1000
    except OverflowError:
        return otherwise
    return max(seconds, 0.0) if math.isfinite(seconds) else otherwise


class TranscriptReader:
    """Parses the backend's answer as it comes, and adds its transcripts to one."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._objects = JsonObjects()
        self._size = 0

    def feed(self, piece: bytes) -> list[str]:
        """Return the texts that are complete with piece.

        Raises:
            UpstreamError: the answer is no transcript.
        """
        self._size += len(piece)
        if self._size > MAX_BYTES:
            raise UpstreamError(f"its transcripts are over {MAX_BYTES} bytes")
        return [text for part in self._objects.feed(piece) if (text := self._take(part))]

    def end(self) -> None:
        """Check that nothing is missing at the answer's end; raises UpstreamError."""
        if self._objects.flush().strip():
            raise UpstreamError("its last transcript is cut")

    def _take(self, part: Part) -> str:
        if part.is_object:
            return self._transcript.add(_heard(part.data))
        if part.data.strip():
            raise UpstreamError(f"it answered {part.data[:80]!r}, where transcripts belong")
        return ""


def _heard(data: bytes) -> Mapping[str, Any]:
    """Return a transcript, in StreamKit's wrapper or bare; raises UpstreamError if it is none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        value = value.get("Transcription", value)
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        raise UpstreamError(f"it answered {data[:80]!r}, where transcripts belong")
    return value
