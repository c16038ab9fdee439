"""Transcripts in the formats of OpenAI's API."""

import html
from collections.abc import Callable, Container, Mapping

from aiohttp import web

from ..languages import name_of
from ..transcript import Segment, Transcript, TranscriptReader
from .server_sent_events import event


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
