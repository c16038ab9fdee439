"""The jobs of the engine's media workers: finding utterances in what comes, and speaking."""

from collections.abc import Iterator

import av.error
import numpy as np

from ..media.audio_errors import BadAudioError
from ..media.decoding import DECODERS, Decoding
from ..media.gateway_jobs import warm_up
from ..media.libav import NoOtherFileError, open_input, resampled, samples_of
from ..media.utterances import UtteranceFinder
from ..media.voice_activity import FRAME, RATE, VoiceActivity, VoiceModel
from ..media.workers.work import Jobs, Work
from .hearing import utterance_frames
from .pipeline_params import SpeakPlan
from .speaking.synthesis import speak
from .speaking.voice_choice import Voices

PROBE_BYTES = 32
"""No look ahead: live audio is to be heard as it comes."""
UNDECODABLE = "the audio does not decode; send Opus in Ogg"
PROCESSOR_RATE = 1.0
"""As Jobs has it: a voice takes up to 0.1."""
REHEARSED = "This is a rehearsal of ten words, and it is short."


def load() -> Jobs:
    """Return the jobs."""
    warm_up()
    model = VoiceModel()
    VoiceActivity(model).probabilities(np.zeros(FRAME, np.int16))
    voices = Voices()

    def hear(work: Work) -> None:
        """Find the utterances in Ogg; the options are UtteranceFinder's.

        Raises:
            BadAudioError: it does not decode.
        """
        finder = UtteranceFinder(VoiceActivity(model), **work.options)  # type: ignore[arg-type]
        seconds = 0.0
        for samples in _decoded(work):
            if not seconds:
                work.write(utterance_frames.SOUND, seconds)
            seconds += len(samples) / 2 / RATE
            work.write(b"".join(map(utterance_frames.packed, finder.feed(samples))), seconds)
        work.write(b"".join(map(utterance_frames.packed, finder.end())), seconds)

    def speak_text(work: Work) -> None:
        """Speak the text that comes; the options are those of a SpeakPlan."""
        text = b"".join(iter(lambda: work.source.read(65536), b"")).decode()
        plan = SpeakPlan(**work.options)  # type: ignore[arg-type]
        for pages, seconds in speak(voices.speaking(text, plan), text, plan):
            work.write(pages, seconds)

    def rehearse() -> None:
        plan = SpeakPlan()
        for _ in speak(voices.speaking(REHEARSED, plan), REHEARSED, plan):
            pass

    rehearse()
    # espeak-ng opens what a voice and a text need, such as the dictionary of a foreign word.
    return Jobs({"hear": hear, "speak": speak_text}, rehearse, voices.espeak.data, PROCESSOR_RATE)


def _decoded(work: Work) -> Iterator[bytes]:
    """Yield Ogg as 16-bit mono samples at RATE; raises BadAudioError."""
    sound = False
    try:
        with open_input(work.source, "ogg", DECODERS, PROBE_BYTES) as opened:
            decoding = Decoding(opened)
            for frame in resampled(decoding.frames(), "s16", RATE):
                sound = True
                yield samples_of(frame)
    except (av.error.InvalidDataError, av.error.EOFError, NoOtherFileError):
        raise BadAudioError(UNDECODABLE) from None
    if decoding.stream is None or (decoding.undecoded_packets and not sound):
        raise BadAudioError(UNDECODABLE)
