"""Where utterances begin, pause, end and are cut."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from speech_gateway.media.utterances import MARGIN, Utterance, UtteranceFinder
from speech_gateway.media.voice_activity import FRAME, RATE, VoiceActivity, VoiceModel

SPEECH, SILENCE = 1.0, 0.0
MINUTE = 60 * RATE


class LoudIsSpeech:
    """Takes what is loud for speech."""

    def probabilities(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        loudest = np.abs(samples.reshape(-1, FRAME).astype(np.int32)).max(axis=1)
        return np.where(loudest > 1000, np.float32(SPEECH), np.float32(SILENCE))


def sound(*parts: tuple[float, int]) -> bytes:
    """Return seconds of a level, one part after another."""
    return b"".join(
        (np.sin(np.arange(int(seconds * RATE))) * level).astype(np.int16).tobytes()
        for seconds, level in parts
    )


def found(
    data: bytes, step: int = 640, *, max_length: float = 30.0, min_silence: float = 0.7
) -> list[Utterance]:
    finder = UtteranceFinder(
        LoudIsSpeech(), threshold=0.5, min_silence=min_silence, max_length=max_length
    )
    pieces = (data[at : at + step] for at in range(0, len(data), step))
    return [*itertools.chain.from_iterable(map(finder.feed, pieces)), *finder.end()]


def ended(utterances: list[Utterance]) -> list[Utterance]:
    return [utterance for utterance in utterances if utterance.ended]


def seconds(utterance: Utterance) -> tuple[float, float]:
    start = utterance.start / RATE
    return round(start, 1), round(start + len(utterance.samples) / 2 / RATE, 1)


LOUD, QUIET = 8000, 0


def test_an_utterance_has_a_margin_before_and_behind() -> None:
    (utterance,) = ended(found(sound((1.0, QUIET), (2.0, LOUD), (2.0, QUIET))))

    assert seconds(utterance) == (0.7, 3.3)


def test_the_end_of_the_stream_ends_an_utterance() -> None:
    (utterance,) = ended(found(sound((1.0, QUIET), (1.0, LOUD))))

    assert seconds(utterance) == (0.7, 2.0)


def test_a_short_pause_ends_nothing_and_a_long_one_does() -> None:
    data = sound((1.0, LOUD), (0.5, QUIET), (1.0, LOUD), (1.0, QUIET), (1.0, LOUD))

    assert [seconds(one) for one in ended(found(data))] == [(0.0, 2.8), (3.2, 4.5)]


def test_the_least_silence_counts() -> None:
    data = sound((1.0, LOUD), (0.5, QUIET), (1.0, LOUD))

    assert len(ended(found(data, min_silence=0.3))) == 2


def test_a_pause_is_told_before_it_is_known_to_be_the_end() -> None:
    pause, end = found(sound((1.0, LOUD), (1.0, QUIET)))

    assert (pause.ended, end.ended) == (False, True)
    assert (pause.start, pause.samples) == (end.start, end.samples)


def test_a_click_is_no_utterance() -> None:
    assert found(sound((1.0, QUIET), (0.12, LOUD), (2.0, QUIET))) == []


def test_who_never_pauses_is_cut_at_the_quietest_place() -> None:
    data = sound((6.0, LOUD), (0.3, 1500), (3.0, LOUD), (0.1, QUIET), (8.0, LOUD))

    first, *_ = utterances = ended(found(data, max_length=8.0))

    assert 6.0 < seconds(first)[1] < 6.3
    for before, after in itertools.pairwise(utterances):
        assert after.start == before.start + len(before.samples) // 2, "nothing is lost or doubled"
    assert all(len(one.samples) // 2 <= 8 * RATE for one in utterances)


def test_the_last_sound_behind_a_cut_is_kept_however_short() -> None:
    utterances = ended(found(sound((4.1, LOUD), (2.0, QUIET)), max_length=2.0))

    heard = sum(len(utterance.samples) // 2 for utterance in utterances)
    assert heard / RATE == pytest.approx(4.4, abs=0.1), "with the margin"


@given(
    st.lists(st.tuples(st.floats(0.01, 3.0), st.sampled_from([LOUD, QUIET])), max_size=8),
    st.integers(2, 20_000),
)
def test_no_sound_is_in_two_utterances_however_it_comes(
    parts: list[tuple[float, int]], step: int
) -> None:
    utterances = ended(found(sound(*parts), step - step % 2, max_length=2.0))

    for before, after in itertools.pairwise(utterances):
        assert after.start >= before.start + len(before.samples) // 2


def test_little_is_held_of_a_long_silence() -> None:
    finder = UtteranceFinder(LoudIsSpeech(), threshold=0.5, min_silence=0.7, max_length=30.0)
    for _ in range(100):
        list(finder.feed(bytes(2 * RATE)))

    assert len(finder._held) <= MARGIN + FRAME


# What Silero VAD takes for speech.


@pytest.fixture(scope="module")
def model() -> VoiceModel:
    return VoiceModel()


def silence() -> NDArray[np.float64]:
    return np.zeros(MINUTE)


def noise() -> NDArray[np.float64]:
    return np.random.default_rng(1).normal(0, 0.1, MINUTE)


def hum() -> NDArray[np.float64]:
    time = np.arange(MINUTE) / RATE
    return 0.3 * np.sin(2 * np.pi * 50 * time) + 0.1 * np.sin(2 * np.pi * 150 * time)


def music() -> NDArray[np.float64]:
    """Return a melody with a bass and a drum."""
    made, random = np.zeros(MINUTE), np.random.default_rng(3)
    note = np.arange(RATE // 4)
    decay = np.exp(-note / 2000)
    for number, start in enumerate(range(0, MINUTE - len(note), len(note))):
        pitch = random.choice([262, 294, 330, 349, 392, 440, 494, 523])
        for harmonic, strength in enumerate((0.4, 0.2, 0.1, 0.05), 1):
            tone = np.sin(2 * np.pi * pitch * harmonic * note / RATE)
            made[start : start + len(note)] += strength * decay * tone
        if number % 2 == 0:
            drum = random.normal(0, 1, 1000) * np.exp(-np.arange(1000) / 200)
            made[start : start + 1000] += 0.2 * drum
    return made * 0.6


@pytest.mark.parametrize("made", [silence, noise, hum, music])
def test_what_is_no_speech_is_no_utterance(
    model: VoiceModel, made: Callable[[], NDArray[np.float64]]
) -> None:
    finder = UtteranceFinder(VoiceActivity(model), threshold=0.5, min_silence=0.7, max_length=30.0)
    samples = (made() * 32767).astype(np.int16).tobytes()

    assert [*finder.feed(samples), *finder.end()] == []


def test_the_judgement_does_not_depend_on_the_pieces(model: VoiceModel) -> None:
    samples = (music()[: 4 * RATE] * 32767).astype(np.int16)[: 4 * RATE // FRAME * FRAME]
    whole = VoiceActivity(model).probabilities(samples)

    one_by_one = VoiceActivity(model)
    parts = [
        one_by_one.probabilities(samples[at : at + FRAME]) for at in range(0, len(samples), FRAME)
    ]

    assert np.allclose(whole, np.concatenate(parts), atol=1e-4)
