"""The voice Heart: natural American English, by hibari."""

from collections.abc import Container, Iterator

from hibari import Hibari
from hibari.g2p import G2P

from ...media.onnx_runtime import forbid_telemetry
from .packed_dict import PackedDict
from .samples import Samples, faster
from .spoken_form import spoken_form

MAX_PHONEMES = 300
"""Phonemes that are spoken at once; the model has learnt from sentences of no more than 400."""
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
        for _ in self.speak("Qwertish is no word.", 1.0):
            pass  # what reads unknown words is loaded by the first

    def speak(self, text: str, speed: float) -> Iterator[Samples]:
        """Yield an English sentence as samples at RATE, in parts; none if there is nothing to say.

        Raises:
            Exception: hibari cannot read something in it; nothing of it was spoken.
        """
        own_speed = min(speed, FASTEST)
        phonemes = self._hibari.g2p(spoken_form(text))
        for part in _parts(phonemes, int(MAX_PHONEMES * own_speed)):
            samples: Samples = self._hibari.from_phonemes(part, own_speed, seed=NOISE)
            yield faster(samples, speed / FASTEST) if speed > FASTEST and len(samples) else samples


def _pronunciation() -> G2P:
    """Load what turns text into phonemes, and pack its dictionaries: they take 100 MB otherwise."""
    found = G2P()
    for words in (found.lexicon.golds, found.lexicon.silvers):
        words.d = PackedDict(words.d)
    found.tagger.weights = PackedDict(found.tagger.weights)
    return found


def _parts(phonemes: str, longest: int) -> Iterator[str]:
    """Yield phonemes in parts, cut between words: what is spoken at once is held in memory."""
    while len(phonemes) > longest:
        cut = phonemes.rfind(" ", 0, longest) + 1 or longest
        yield phonemes[:cut]
        phonemes = phonemes[cut:]
    if any(character.isalpha() for character in phonemes):
        yield phonemes
