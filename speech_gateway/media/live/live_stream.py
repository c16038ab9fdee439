"""The audio of one live connection: in come samples, out go utterances as Ogg/Opus."""

from collections import deque
from collections.abc import Iterator
from time import perf_counter

from ..libav import SAMPLE_BYTES
from ..voice_activity import FRAME, RATE
from .incoming_samples import IncomingSamples
from .live_messages import (
    MAX_AUDIO,
    Begin,
    By,
    Ended,
    Heard,
    Listening,
    Told,
    TurnDetection,
    pack,
    pack_object,
    unpack_listening,
)
from .turns import Turn
from .utterance_encoder import UtteranceEncoder
from .voice import Voice, VoiceModel

FRAME_BYTES = FRAME * SAMPLE_BYTES
MAX_HELD = 10 * RATE // FRAME
"""Frames that are kept while nobody speaks, for a commit: 10 s."""
MAX_SECONDS = 120.0
"""Seconds of an utterance, after which another one begins: nobody is to hold a slot for ever."""
SHORTEST_COMMIT = RATE // 10
"""Samples; less is taken for a commit of nothing, as OpenAI has it."""
SURELY_SILENT = 0.15
"""What has no frame over this probability is not worth a call to the backend."""


class LiveStream:
    """One connection's audio, as it comes.

    Recognisers and the VAD hear 16 kHz, so there is one resampling for both.
    """

    def __init__(self, model: VoiceModel) -> None:
        self._voice = Voice(model)
        self._samples = IncomingSamples(Listening())
        self._turns: TurnDetection | None = None
        self._turn = Turn(TurnDetection())
        self._unjudged = bytearray()
        """Samples of a frame that is not complete."""
        self._held: deque[bytes] = deque(maxlen=MAX_HELD)
        """Frames since the last utterance; the oldest are forgotten."""
        self._since_last = 0
        """Samples since the last utterance."""
        self._loudest = 0.0
        """The highest probability of speech since then."""
        self._utterance: UtteranceEncoder | None = None

    def take(self, kind: int, payload: bytes) -> Iterator[bytes]:
        """Take a message of the gateway's, and yield those for it."""
        match kind:
            case Told.AUDIO:
                yield from self._audio(self._samples.decode(payload))
            case Told.CONFIGURE:
                yield from self._configure(unpack_listening(payload))
            case Told.COMMIT:
                yield from self._commit()
            case Told.CLEAR:
                self._clear()
                yield pack(Heard.CLEARED)

    def rehearse(self) -> None:
        """Do what is done at first use, before there is any use."""
        for _ in self.take(Told.AUDIO, bytes(MAX_AUDIO)):
            pass
        self._loudest = 1.0
        for _ in self.take(Told.COMMIT, b""):
            pass

    def _configure(self, listening: Listening) -> Iterator[bytes]:
        yield from self._audio(self._samples.flush())
        self._samples = IncomingSamples(listening)
        self._turns = listening.turns
        self._turn.rule = listening.turns or TurnDetection()

    def _audio(self, samples: bytes) -> Iterator[bytes]:
        self._unjudged += samples
        while len(self._unjudged) >= FRAME_BYTES:
            frame = bytes(self._unjudged[:FRAME_BYTES])
            del self._unjudged[:FRAME_BYTES]
            probability = self._voice.probability(frame)
            if self._utterance is None:
                yield from self._outside(frame, probability)
            else:
                yield from self._within(self._utterance, frame, probability)

    def _outside(self, frame: bytes, probability: float) -> Iterator[bytes]:
        """Take a frame while nobody speaks."""
        self._hold(frame)
        self._loudest = max(self._loudest, probability)
        start = self._turn.starts(probability)
        if start is None:
            return
        if self._turns is None:  # a commit means all that has come
            yield from self._begin(None)
        else:
            yield from self._begin(self._turn.judged - start + self._turns.prefix_ms * RATE // 1000)

    def _begin(self, samples: int | None) -> Iterator[bytes]:
        """Begin an utterance with the last samples that are held, as many as there are, or all."""
        held = b"".join(self._held)
        if samples is not None:
            held = held[-samples * SAMPLE_BYTES :]
        self._utterance = utterance = UtteranceEncoder()
        start = self._turn.judged - len(held) // SAMPLE_BYTES
        yield pack_object(Heard.BEGIN, Begin(_milliseconds(start)))
        yield from _ogg(utterance.add(held))
        self._forget()

    def _within(
        self, utterance: UtteranceEncoder, frame: bytes, probability: float
    ) -> Iterator[bytes]:
        """Take a frame while somebody speaks."""
        yield from _ogg(utterance.add(frame))
        if self._turn.goes_on(probability):
            utterance.speech_heard_at = perf_counter()
        elif self._turns is not None and self._turn.is_over:
            yield from self._end(By.SILENCE)
            return
        if utterance.seconds >= MAX_SECONDS:
            yield from self._end(By.LENGTH)

    def _end(self, by: By) -> Iterator[bytes]:
        utterance = self._utterance
        assert utterance is not None
        yield from _ogg(utterance.finish())
        yield self._ended(utterance.seconds, utterance.speech_heard_at, by)
        self._utterance = None

    def _commit(self) -> Iterator[bytes]:
        rest = bytes(self._unjudged) + self._samples.flush()
        self._unjudged.clear()
        self._turn.skip(len(rest) // SAMPLE_BYTES)
        if self._utterance is not None:
            yield from _ogg(self._utterance.add(rest))
            yield from self._end(By.COMMIT)
            return
        self._hold(rest)
        if self._since_last < SHORTEST_COMMIT:
            yield pack(Heard.TOO_SHORT)
        elif self._loudest < SURELY_SILENT:
            yield self._ended(self._since_last / RATE, 0.0, By.COMMIT)
        else:
            yield from self._begin(None)
            yield from self._end(By.COMMIT)
        self._forget()

    def _ended(self, seconds: float, speech_heard_at: float, by: By) -> bytes:
        ended = Ended(_milliseconds(self._turn.judged), seconds, by, speech_heard_at)
        return pack_object(Heard.END, ended)

    def _hold(self, samples: bytes) -> None:
        self._held.append(samples)
        self._since_last += len(samples) // SAMPLE_BYTES

    def _clear(self) -> None:
        self._samples.flush()
        self._turn.skip(len(self._unjudged) // SAMPLE_BYTES)
        self._unjudged.clear()
        self._voice.forget()
        self._utterance = None
        self._forget()

    def _forget(self) -> None:
        """Begin anew, outside of an utterance."""
        self._held.clear()
        self._since_last, self._loudest = 0, 0.0
        self._turn.reset()


def _ogg(pages: bytes) -> Iterator[bytes]:
    if pages:
        yield pack(Heard.OGG, pages)


def _milliseconds(samples: int) -> int:
    return samples * 1000 // RATE
