"""Transcripts in the formats of OpenAI's API."""

import html
import json
import math
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from ...errors import UpstreamError
from ...upstream.json_stream import JsonObjects, Part
from .languages import name_of
from .server_sent_events import event

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


class TranscriptEvents:
    """Turns the backend's answer into events: one for each text, and one at the end."""

    def __init__(self) -> None:
        self._transcript = Transcript()
        self._reader = TranscriptReader(self._transcript)
        self._begun = False

    def feed(self, piece: bytes) -> bytes:
        """Return the events that are new with piece; raises UpstreamError."""
        return b"".join(map(self._delta, self._reader.feed(piece)))

    def flush(self) -> bytes:
        """Return the last event; raises UpstreamError."""
        self._reader.end()
        # Nothing is counted in tokens here, but clients refuse an end without the numbers.
        usage = {"type": "tokens", "input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
        done = {"type": "transcript.text.done", "text": self._transcript.text, "usage": usage}
        return event(done)

    def _delta(self, text: str) -> bytes:
        """Return the event for a text; all deltas joined are the whole text."""
        text, self._begun = f" {text}" if self._begun else text, True
        return event({"type": "transcript.text.delta", "delta": text})


def respond(
    transcript: Transcript, response_format: str, granularities: Container[str]
) -> web.Response:
    """Return the answer in one of the API's response formats, with segments or words or both."""
    if response_format == "json":
        return web.json_response({"text": transcript.text, "usage": _usage(transcript)})
    if response_format == "verbose_json":
        return web.json_response(_verbose(transcript, granularities))
    return web.Response(text=_PLAIN[response_format](transcript))


def _usage(transcript: Transcript) -> Mapping[str, object]:
    return {"type": "duration", "seconds": round(transcript.duration, 3)}


def _verbose(transcript: Transcript, granularities: Container[str]) -> Mapping[str, object]:
    told: dict[str, object] = {
        "task": "translate" if transcript.translated else "transcribe",
        "language": "english" if transcript.translated else name_of(transcript.language),
        "duration": round(transcript.duration, 3),
        "text": transcript.text,
        "usage": _usage(transcript),
    }
    if "segment" in granularities:
        told["segments"] = [
            _segment(number, segment) for number, segment in enumerate(transcript.segments)
        ]
    if "word" in granularities:
        told["words"] = [
            {"word": word.text, "start": word.start, "end": word.end} for word in transcript.words
        ]
    return told


def _segment(number: int, segment: Segment) -> Mapping[str, object]:
    return {
        "id": number,
        "seek": int(segment.start * 100),
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        # What the backend does not tell.
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }


def _srt(transcript: Transcript) -> str:
    return "\n".join(
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n{cue.text}\n"
        for number, cue in enumerate(transcript.segments, 1)
    )


def _vtt(transcript: Transcript) -> str:
    cues = (
        f"\n{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{_escaped(cue.text)}\n"
        for cue in transcript.segments
    )
    return "WEBVTT\n" + "".join(cues)


def _escaped(text: str) -> str:
    """Return a cue's text without markup, and without what would end it (WebVTT, section 4.2.1)."""
    return html.escape(text, quote=False)


def _time(seconds: float, point: str) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"


_PLAIN: Mapping[str, Callable[[Transcript], str]] = {
    "text": lambda transcript: transcript.text + "\n",
    "srt": _srt,
    "vtt": _vtt,
}
