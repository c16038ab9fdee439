"""Finds where somebody begins to speak and falls silent, frame by frame."""

from dataclasses import dataclass

from ..utterances import lower_threshold
from ..voice_activity import FRAME, RATE
from .live_messages import TurnDetection

FIRST_FRAMES = 3
"""Frames of speech that begin an utterance; a click has fewer."""


@dataclass(slots=True)
class Turn:
    """The state of one stream: whether somebody speaks, by the probability of each frame.

    Places are samples from the beginning of the stream.
    """

    rule: TurnDetection
    judged: int = 0
    """Up to where the stream was judged."""
    speech_end: int = 0
    """Where the last frame of speech ends."""
    _run: int = 0
    """Frames of speech in a row, before an utterance has begun."""
    _run_start: int = 0

    def starts(self, probability: float) -> int | None:
        """Note a frame outside of an utterance; return where speech has begun, if it has."""
        self.judged += FRAME
        if probability >= self.rule.threshold:
            if not self._run:
                self._run_start = self.judged - FRAME
            self._run += 1
        elif probability < lower_threshold(self.rule.threshold):
            self._run = 0
        if self._run < FIRST_FRAMES:
            return None
        self.speech_end = self.judged
        return self._run_start

    def goes_on(self, probability: float) -> bool:
        """Note a frame within an utterance; return whether it is speech."""
        self.judged += FRAME
        if probability < lower_threshold(self.rule.threshold):
            return False
        self.speech_end = self.judged
        return True

    def skip(self, samples: int) -> None:
        """Note samples that were not judged."""
        self.judged += samples

    def reset(self) -> None:
        """Begin anew, outside of an utterance."""
        self._run = 0

    @property
    def is_over(self) -> bool:
        """Whether the silence is long enough to end an utterance."""
        return self.judged - self.speech_end >= self.rule.silence_ms * RATE // 1000
