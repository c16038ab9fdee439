"""The voice Heart: natural American English, by hibari."""

from collections.abc import Container, Iterator

import numpy as np
from hibari import Hibari
from hibari.g2p import G2P

from ...media.onnx_runtime import forbid_telemetry
from .packed_dict import PackedDict
from .samples import Samples, faster
from .spoken_form import spoken_form

MAX_PHONEMES = 400
"""The model has learnt from sentences of no more."""
FASTEST = 1.0
"""The model's own speed: faster, it raises its pitch and swallows sounds."""
NOISE = 1
"""The seed of the voice's breath: a text sounds the same each time."""


class Heart:
    """The voice, which is loaded once."""

    def __init__(self) -> None:
        forbid_telemetry()
        self._hibari = Hibari(voice="heart", threads=1, g2p=_pronunciation())
        self.words: Container[str] = self._hibari.g2p.lexicon.golds
        """The English words that it knows, in small letters."""
        self.speak("Qwertish is no word.", 1.0)  # what reads unknown words is loaded by the first

    def speak(self, text: str, speed: float) -> Samples:
        """Return an English sentence as samples at RATE; none if there is nothing to say in it."""
        own_speed = min(speed, FASTEST)
        parts = [
            self._hibari.from_phonemes(phonemes, own_speed, seed=NOISE)
            for phonemes in _parts(self._hibari.g2p(spoken_form(text)))
        ]
        samples: Samples = np.concatenate(parts) if parts else np.empty(0, np.float32)
        return faster(samples, speed / FASTEST) if speed > FASTEST and len(samples) else samples


def _pronunciation() -> G2P:
    """Load what turns text into phonemes, and pack its dictionaries: they take 100 MB otherwise."""
    found = G2P()
    for words in (found.lexicon.golds, found.lexicon.silvers):
        words.d = PackedDict(words.d)
    found.tagger.weights = PackedDict(found.tagger.weights)
    return found


def _parts(phonemes: str) -> Iterator[str]:
    """Yield phonemes in parts that the model can take, cut between words."""
    while len(phonemes) > MAX_PHONEMES:
        cut = phonemes.rfind(" ", 0, MAX_PHONEMES) + 1 or MAX_PHONEMES
        yield phonemes[:cut]
        phonemes = phonemes[cut:]
    if any(character.isalpha() for character in phonemes):
        yield phonemes
