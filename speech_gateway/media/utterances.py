"""Finds utterances in speech as it comes: where one begins, pauses and ends."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .voice_activity import FRAME, RATE

MARGIN = RATE * 3 // 10
"""Samples kept before the first and after the last sound of speech: soft sounds count less."""
LEAST_SPEECH = 5
"""Frames of speech in an utterance; the shortest words have seven, a click or a note fewer."""
_HYSTERESIS = 0.15
"""Speech that has begun goes on down to this much under the threshold."""
QUIET_FRAMES = 5
"""Frames that are looked at together for the quietest place."""
PAUSE = RATE * 3 // 10
"""Samples of silence, in the middle of an utterance, that may become its end."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech between two silences, or up to the longest that may be."""

    start: int
    """The first sample's place in the stream."""
    samples: bytes
    """16-bit samples, mono, 16 kHz."""
    ended: bool
    """Whether it is over; if not, there is a pause that may be its end."""


def lower_threshold(threshold: float) -> float:
    """Return the probability down to which speech goes on that has begun at a threshold."""
    return max(threshold - _HYSTERESIS, threshold / 2)


class Judge(Protocol):
    """Tells how probably each frame holds speech."""

    def probabilities(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return a probability for each frame of samples."""


class UtteranceFinder:
    """Finds the utterances of one stream.

    Args:
        threshold: the probability from which on a frame counts as speech.
        min_silence: seconds of silence that end an utterance.
        max_length: seconds after which an utterance is cut, at its quietest place.
    """

    def __init__(
        self, judge: Judge, *, threshold: float, min_silence: float, max_length: float
    ) -> None:
        self._judge = judge
        self._threshold = threshold
        self._goes_on = lower_threshold(threshold)
        self._min_silence = int(min_silence * RATE)
        self._max_length = max(int(max_length * RATE), 2 * QUIET_FRAMES * FRAME)
        self._held = np.empty(0, np.int16)
        """The samples that an utterance may need; what has come of a frame stands at their end."""
        self._begins = 0
        """The place of the first of them."""
        self._judged = 0
        """Up to where the stream was judged."""
        self._start: int | None = None
        """Where the utterance begins that goes on."""
        self._last_speech = 0
        """Where its last frame of speech ends."""
        self._speech_frames: list[int] = []
        """The ends of its frames of speech."""
        self._paused = False
        self._least_speech = LEAST_SPEECH
        """Frames of speech that the utterance must have; one, behind a cut."""

    def feed(self, samples: bytes) -> Iterator[Utterance]:
        """Yield what is found as samples come; 16-bit, mono, 16 kHz."""
        self._held = np.concatenate([self._held, np.frombuffer(samples, np.int16)])
        new = self._held[self._judged - self._begins :]
        whole = new[: len(new) // FRAME * FRAME]
        if not len(whole):
            return
        for probability in self._judge.probabilities(whole):
            self._judged += FRAME
            yield from self._take(float(probability))
            self._forget()

    def end(self) -> Iterator[Utterance]:
        """Yield the utterance that the stream's end has ended."""
        if self._start is not None:
            yield from self._utterance(self._last_speech + MARGIN, ended=True)

    def _take(self, probability: float) -> Iterator[Utterance]:
        """Note the frame that was judged last."""
        if self._start is None:
            if probability < self._threshold:
                return
            self._start = max(self._begins, self._judged - FRAME - MARGIN)
        if probability >= self._goes_on:
            self._last_speech, self._paused = self._judged, False
            if probability >= self._threshold:
                self._speech_frames.append(self._judged)
        silence = self._judged - self._last_speech
        if silence >= self._min_silence:
            yield from self._utterance(self._last_speech + MARGIN, ended=True)
            self._begin_anew(None)
        elif silence >= PAUSE and not self._paused:
            self._paused = True
            yield from self._utterance(self._last_speech + MARGIN, ended=False)
        elif self._judged - self._start + FRAME > self._max_length:
            cut = self._quietest()
            yield from self._utterance(cut, ended=True)
            self._begin_anew(cut)

    def _utterance(self, end: int, *, ended: bool) -> Iterator[Utterance]:
        """Yield the utterance up to end, unless too little of it is speech."""
        assert self._start is not None
        if len(self._speech_frames) >= self._least_speech:
            first = self._start - self._begins
            samples = self._held[first : min(end, self._judged) - self._begins]
            yield Utterance(self._start, samples.tobytes(), ended)
        if ended:
            self._drop(min(end, self._judged))  # no sound is in two utterances

    def _begin_anew(self, start: int | None) -> None:
        """Wait for the next utterance or, after a cut, go on with one that begins at start."""
        self._start, self._paused = start, False
        self._least_speech = LEAST_SPEECH if start is None else 1
        self._speech_frames = [at for at in self._speech_frames if start and at > start]

    def _quietest(self) -> int:
        """Return the middle of the quietest place in the second half of the utterance."""
        assert self._start is not None
        frames = (self._judged - self._start) // FRAME // 2
        tail = self._held[: self._judged - self._begins][-frames * FRAME :].astype(np.float32)
        energy = np.square(tail).reshape(frames, FRAME).mean(axis=1)
        around = np.convolve(energy, np.ones(QUIET_FRAMES), "valid")
        at = int(np.argmin(around)) * FRAME + QUIET_FRAMES * FRAME // 2
        return self._judged - frames * FRAME + at

    def _forget(self) -> None:
        """Keep no more of a silence than the next utterance may begin with."""
        if self._start is None:
            self._drop(self._judged - MARGIN)

    def _drop(self, before: int) -> None:
        if before > self._begins:
            self._held = self._held[before - self._begins :]
            self._begins = before
