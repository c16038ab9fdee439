"""Speech to text, in a process of its own, as PocketSphinx never releases the GIL.

Standard input carries requests, a length (4 bytes, big-endian) before each piece of 16 kHz mono
16-bit samples and 0 after the last; a request begins with a JSON line of its plan. Standard output
carries JSON lines: ``{"heard": true}`` once audio has come, ``{"line": ...}`` for each utterance,
then ``{"end": true}``.
"""

import json
import struct
import sys
from collections.abc import Iterator
from typing import BinaryIO, TextIO

from pocketsphinx import Decoder, Endpointer, Vad

RATE = 16_000
BYTES_PER_SECOND = RATE * 2
PIECE_BYTES = 64 * 1024
LENGTH = struct.Struct(">I")
MARGIN = bytes(BYTES_PER_SECOND * 15 // 100)
"""Silence around an utterance: one that begins with its first sound loses its first word."""
VAD_MODE = Vad.MEDIUM_STRICT
"""The laxer ones take half a second of pause for speech."""
GAUSSIANS = 8
"""Gaussians scored for each frame, twice the default: 25 % slower, with fewer wrong words."""


class _Upload:
    """One request's samples."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = 0
        self._ended = False

    def read(self, size: int) -> bytes:
        """Return what the next piece holds, at most size bytes; nothing at the end."""
        if not self._left and not self._ended:
            (self._left,) = LENGTH.unpack(_exactly(self._stream, LENGTH.size))
            self._ended = self._left == 0
        piece = _exactly(self._stream, min(size, self._left))
        self._left -= len(piece)
        return piece


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise SystemExit(0)  # the engine is gone
    return data


class Listener:
    """Finds utterances, and decodes each when it has ended.

    An utterance is decoded whole because the model's input is normalised over it: decoded while it
    comes, its first words suffer, and one client's speech would affect the next one's transcript.
    """

    def __init__(self, decoder: Decoder, longest: float) -> None:
        self._decoder = decoder
        self._endpointer = Endpointer(sample_rate=RATE, vad_mode=VAD_MODE)
        self._longest = int(longest * BYTES_PER_SECOND)
        self._buffer = bytearray()
        self._speech = bytearray()
        self._began = 0.0

    def hear(self, pcm: bytes) -> Iterator[str]:
        """Yield a line for each utterance that ends within pcm."""
        self._buffer += pcm
        size = self._endpointer.frame_bytes
        while len(self._buffer) > size:  # something is kept for the end
            frame = bytes(self._buffer[:size])
            del self._buffer[:size]
            yield from self._take(self._endpointer.process(frame))

    def end(self) -> Iterator[str]:
        """Yield the line of an utterance that was still going on."""
        yield from self._take(self._endpointer.end_stream(bytes(self._buffer)))
        yield from self._end_utterance()

    def _take(self, speech: bytes | None) -> Iterator[str]:
        if not speech:
            return
        if not self._speech:
            self._began = self._endpointer.speech_start
        self._speech += speech
        if not self._endpointer.in_speech or len(self._speech) >= self._longest:
            yield from self._end_utterance()

    def _end_utterance(self) -> Iterator[str]:
        if not self._speech:
            return
        text = self._decode(bytes(self._speech))
        ended = self._began + len(self._speech) / BYTES_PER_SECOND
        self._speech.clear()
        if text:
            yield transcription(text, self._began, ended)
        self._began = ended

    def _decode(self, speech: bytes) -> str:
        self._decoder.start_utt()
        self._decoder.process_raw(MARGIN + speech + MARGIN, full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return hypothesis.hypstr if hypothesis is not None else ""


def transcription(text: str, began: float, ended: float) -> str:
    """Return a transcript in StreamKit's form; times in seconds."""
    segment = {
        "text": text,
        "start_time_ms": round(began * 1000),
        "end_time_ms": round(ended * 1000),
        "confidence": None,
    }
    inner = {"text": text, "segments": [segment], "language": "en", "metadata": None}
    return json.dumps({"Transcription": inner}, separators=(",", ":"))


def serve_one(decoder: Decoder, requests: BinaryIO, answers: TextIO) -> None:
    """Transcribe one request."""

    def say(**message: object) -> None:
        print(json.dumps(message), file=answers, flush=True)

    plan = json.loads(requests.readline() or _gone())
    upload = _Upload(requests)
    listener = Listener(decoder, plan["max_segment_seconds"])
    heard = False
    while pcm := upload.read(PIECE_BYTES):
        if not heard:
            heard = True
            say(heard=True)
        for line in listener.hear(pcm):
            say(line=line)
    if heard:
        for line in listener.end():
            say(line=line)
    say(end=True)


def _gone() -> bytes:
    raise SystemExit(0)


def main() -> None:
    """Serve requests, one after another, until standard input ends."""
    decoder = Decoder(loglevel="FATAL", topn=GAUSSIANS)
    while True:
        serve_one(decoder, sys.stdin.buffer, sys.stdout)


if __name__ == "__main__":
    main()
