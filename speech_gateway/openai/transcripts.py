"""What the backend heard, and how OpenAI's clients want to be told."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from ..transcripts import Unwrapper
from .events import event


@dataclass(frozen=True, slots=True)
class Segment:
    """Some words, and when they were said: seconds from the audio's begin."""

    text: str
    start: float
    end: float


@dataclass(slots=True)
class Transcript:
    """All that was heard in one upload."""

    texts: list[str] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    language: str = ""
    duration: float = 0.0
    """Seconds of audio."""

    @property
    def text(self) -> str:
        """Return it in one piece."""
        return " ".join(self.texts)

    def add(self, line: bytes) -> str:
        """Take one line of the backend's; return the text that is new."""
        try:
            heard = json.loads(line)
        except ValueError:
            return ""
        if not isinstance(heard, dict) or not isinstance(heard.get("text"), str):
            return ""
        self.language = self.language or str(heard.get("language") or "")
        segments = heard.get("segments")
        for segment in segments if isinstance(segments, list) else ():
            self._add_segment(segment)
        text = str(heard["text"]).strip()
        if text:
            self.texts.append(text)
        return text

    def _add_segment(self, segment: object) -> None:
        if not isinstance(segment, dict):
            return
        text, start, end = (segment.get(key) for key in ("text", "start_time_ms", "end_time_ms"))
        if (
            isinstance(text, str)
            and isinstance(start, int | float)
            and isinstance(end, int | float)
        ):
            self.segments.append(Segment(text.strip(), start / 1000, end / 1000))


class Lines:
    """Takes the backend's answer as it comes, and adds its lines to a transcript."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._unwrapper = Unwrapper()
        self._partial = b""

    def feed(self, piece: bytes) -> list[str]:
        """Return the texts that are new with piece."""
        *lines, self._partial = (self._partial + self._unwrapper.feed(piece)).split(b"\n")
        return [text for line in lines if (text := self._transcript.add(line))]

    def flush(self) -> list[str]:
        """Return the text of a last line without an end."""
        last, self._partial = self._partial + self._unwrapper.flush(), b""
        return [text] if (text := self._transcript.add(last)) else []


class TranscriptEvents:
    """Turns the backend's answer into events: one for each text, and one at the end."""

    def __init__(self) -> None:
        self._transcript = Transcript()
        self._lines = Lines(self._transcript)
        self._begun = False

    def feed(self, piece: bytes) -> bytes:
        """Return the events that are new with piece."""
        return b"".join(map(self.delta, self._lines.feed(piece)))

    def flush(self) -> bytes:
        """Return the last events."""
        last = b"".join(map(self.delta, self._lines.flush()))
        return last + done(self._transcript)

    def delta(self, text: str) -> bytes:
        """Return the event for a text; all deltas joined are the whole text."""
        text, self._begun = f" {text}" if self._begun else text, True
        return event({"type": "transcript.text.delta", "delta": text})


def done(transcript: Transcript) -> bytes:
    """Return the event that ends a transcript."""
    return event({"type": "transcript.text.done", "text": transcript.text})


def as_events(transcript: Transcript) -> bytes:
    """Return a transcript that is complete as events."""
    events = TranscriptEvents()
    return b"".join(map(events.delta, transcript.texts)) + done(transcript)


def respond(transcript: Transcript, response_format: str) -> web.Response:
    """Return the answer in one of the form's formats."""
    if response_format == "json":
        return web.json_response({"text": transcript.text})
    if response_format == "verbose_json":
        return web.json_response(_verbose(transcript))
    return web.Response(text=_PLAIN[response_format](transcript))


def _verbose(transcript: Transcript) -> Mapping[str, object]:
    return {
        "task": "transcribe",
        "language": transcript.language,
        "duration": round(transcript.duration, 3),
        "text": transcript.text,
        "segments": [
            {
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
            for number, segment in enumerate(transcript.segments)
        ],
    }


def _srt(transcript: Transcript) -> str:
    return "\n".join(
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n{cue.text}\n"
        for number, cue in enumerate(transcript.segments, 1)
    )


def _vtt(transcript: Transcript) -> str:
    cues = (
        f"\n{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{cue.text}\n"
        for cue in transcript.segments
    )
    return "WEBVTT\n" + "".join(cues)


def _time(seconds: float, point: str) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"


_PLAIN: Mapping[str, Callable[[Transcript], str]] = {
    "text": lambda transcript: transcript.text + "\n",
    "srt": _srt,
    "vtt": _vtt,
}
