"""Which voice speaks, how fast, and how that sounds."""

import io
from collections.abc import Iterator

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from speech_gateway.embedded.pipeline_params import SpeakPlan
from speech_gateway.embedded.speaking.samples import RATE, Samples
from speech_gateway.embedded.speaking.synthesis import speak
from speech_gateway.embedded.speaking.voice_names import SPEAKERS, of_speaker, voice_names
from tests.support.ogg import opus_packets, seconds_of
from tests.support.speech import FOX, speech, voices

TEN_SENTENCES = (
    f"{FOX} Yes! It was a bright cold day in April, and the clocks were striking thirteen. "
    "Who goes there? Call me at 5:30 p.m. on May 3rd. She sells sea shells by the sea shore. "
    "No. That costs $12.50, please. I cannot hear you; speak up! Good night, and good luck."
)


def samples_of(ogg: bytes) -> NDArray[np.float32]:
    """Return speech as it is heard, at 48 kHz."""
    resampler = av.AudioResampler("fltp", "mono", 48_000)
    with av.open(io.BytesIO(ogg), "r") as container:
        parts = [
            part.to_ndarray()[0]
            for frame in container.decode(audio=0)
            for part in resampler.resample(frame)
        ]
    return np.concatenate(parts)


def true_peak(samples: NDArray[np.float32]) -> float:
    """Return the highest value between the samples too, in dB of full scale (ITU-R BS.1770)."""
    spectrum = np.fft.rfft(samples)
    between = np.fft.irfft(spectrum, 4 * len(samples)) * 4
    return float(20 * np.log10(np.abs(between).max()))


def test_speech_is_mono_opus_in_pages_of_20_ms() -> None:
    ogg = speech("The quick brown fox.")

    pages = opus_packets(ogg)
    assert all(len(packets) == 1 for packets in pages[2:]), "a page holds one packet"
    assert 0.9 < seconds_of(ogg) < 2.0


@pytest.mark.parametrize("voice", ["heart", "espeak"])
@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_speech_is_as_fast_as_asked_for(voice: str, speed: float) -> None:
    def seconds(plan: SpeakPlan) -> float:
        return seconds_of(speech(FOX, plan))

    usual = seconds(SpeakPlan(voice=voice))
    asked = seconds(SpeakPlan(voice=voice, speed=speed))

    assert usual / asked == pytest.approx(speed, rel=0.25)


@pytest.mark.parametrize("speed", [0.5, 2.0, 4.0])
def test_another_speed_keeps_the_pitch(speed: float) -> None:
    def pitch(speed: float) -> float:
        samples = samples_of(speech(f"{FOX} {FOX}", SpeakPlan(speed=speed)))
        return float(np.median(list(pitches(samples))))

    assert pitch(speed) == pytest.approx(pitch(1.0), rel=0.15)


def pitches(samples: NDArray[np.float32]) -> Iterator[float]:
    """Yield the pitch of each loud tenth of a second, in Hz, by its autocorrelation."""
    for start in range(0, len(samples) - 4800, 4800):
        part = samples[start : start + 4800]
        if np.sqrt(np.square(part).mean()) > 0.05:
            correlation = np.correlate(part, part, "full")[4799:]
            lag = 120 + int(np.argmax(correlation[120:480]))  # 100 to 400 Hz
            yield 48_000 / lag


def test_a_text_sounds_the_same_each_time() -> None:
    first, second = samples_of(speech(FOX)), samples_of(speech(FOX))

    assert np.array_equal(first, second)


class CountingVoice:
    """Counts the sentences that were spoken so far."""

    def __init__(self) -> None:
        self.spoken = 0

    def __call__(self, _sentence: str) -> Iterator[Samples]:
        self.spoken += 1
        yield np.sin(np.arange(RATE, dtype=np.float32) / 10)


def test_the_first_page_leaves_before_the_second_sentence_is_spoken() -> None:
    voice = CountingVoice()

    pages = speak(voice, "This is the first sentence. And this is the second one.", SpeakPlan())

    assert next(pages)[0].startswith(b"OggS")
    assert voice.spoken == 1
    list(pages)
    assert voice.spoken == 2


def test_sentences_are_about_as_loud_as_each_other() -> None:
    levels = []
    for sentence in TEN_SENTENCES.split(". "):
        blocks = samples_of(speech(sentence))[:-480]
        power = np.square(blocks[: len(blocks) // 960 * 960].reshape(-1, 960)).mean(axis=1)
        levels.append(10 * np.log10(power[power > 0.04 * power.max()].mean()))

    assert max(levels) - min(levels) < 4, "dB"


@pytest.mark.parametrize(
    "text", [TEN_SENTENCES, "Das ist ein Satz, und das ist nicht alles. \u4f60\u597d"]
)
def test_no_true_peak_is_over_minus_one_decibel(text: str) -> None:
    assert true_peak(samples_of(speech(text))) < -1


def test_nothing_clicks_where_sentences_are_joined() -> None:
    samples = samples_of(speech("Stop. Stop. Stop. Stop.", SpeakPlan(min_chunk=1)))
    quiet = np.array([np.abs(samples[at : at + 480]).max() for at in range(0, len(samples), 480)])

    steps = np.abs(np.diff(samples))
    for at in np.flatnonzero((quiet[1:-1] < 0.01) & (quiet[2:] > 0.01)):  # where one begins
        assert steps[at * 480 : (at + 2) * 480].max() < 0.05


@pytest.mark.parametrize("number", range(14))
def test_each_speaker_has_a_voice(number: int) -> None:
    assert of_speaker(number) in voice_names()


def test_speakers_differ() -> None:
    plans = [SpeakPlan(voice=of_speaker(n)) for n in range(len(SPEAKERS))]

    assert len({speech("Hello there.", plan) for plan in plans}) == len(SPEAKERS)


@pytest.mark.parametrize("language", ["de", "fr", "cmn", "hi", "ru", "pt-br"])
def test_languages_are_voices_by_name(language: str) -> None:
    plan = SpeakPlan(voice=f"espeak-{language}")

    assert seconds_of(speech("1 2 3", plan)) > 0.3


@pytest.mark.parametrize(
    "text",
    [
        "Das Wetter ist heute sehr sch\u00f6n, und wir gehen in den Park.",
        "\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430?",
        "\u65e5\u672c\u8a9e\u3067\u3059\u3002",
    ],
)
def test_a_text_in_another_language_is_spoken_by_a_voice_of_that(text: str) -> None:
    by_default = speech(text)
    in_english = speech(text, SpeakPlan(voice="espeak"))

    assert by_default != in_english
    assert seconds_of(by_default) > 0.5


def test_every_voice_speaks() -> None:
    for voice in voice_names():
        plan = SpeakPlan(voice=voice)
        assert any(len(samples) for samples in voices().speaking("1 a", plan)("1 a")), voice


def test_a_text_holds_no_commands_to_the_voice() -> None:
    def seconds(text: str) -> float:
        return seconds_of(speech(text, SpeakPlan(voice="espeak")))

    assert seconds(f"\x01400S {FOX}") == pytest.approx(seconds(f"400S {FOX}"), rel=0.1)


def test_a_long_text_comes_in_pieces_as_small_as_a_short_one_s() -> None:
    def most_bytes(sentences: int) -> int:
        text = " ".join([FOX] * sentences)
        return max(len(pages) for pages, _ in speak(CountingVoice(), text, SpeakPlan()))

    assert most_bytes(90) == most_bytes(9)
