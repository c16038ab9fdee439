"""The jobs of the engine's media workers: decoding what comes, and speaking."""

import av.error

from ..media.audio_errors import BadAudioError
from ..media.decoding import DECODERS, Decoding
from ..media.gateway_jobs import warm_up
from ..media.libav import NoOtherFileError, open_input, resampled
from ..media.workers.work import Jobs, Work
from .espeak import Espeak
from .pipeline_params import SpeakPlan
from .synthesis import OpusEncoder, speak

RATE = 16_000
"""Samples a second, as they are recognised."""
PROBE_BYTES = 32
"""No look ahead: live audio is to be heard as it comes."""
UNDECODABLE = "the audio does not decode; send Opus in Ogg"


def load() -> Jobs:
    """Return the jobs."""
    warm_up()
    OpusEncoder(RATE).finish()
    voice = Espeak()  # which has not spoken yet: what it says first sounds the same each time

    def speak_text(work: Work) -> None:
        """Speak the text that comes; the options are those of a SpeakPlan."""
        text = b"".join(iter(lambda: work.source.read(65536), b"")).decode()
        plan = SpeakPlan(**work.options)  # type: ignore[arg-type]
        for pages, seconds in speak(voice, text, plan):
            work.write(pages, seconds)

    # espeak-ng opens what a voice and a text need, such as the dictionary of a foreign word.
    return Jobs({"decode": decode, "speak": speak_text}, readable=voice.data)


def decode(work: Work) -> None:
    """Decode Ogg to 16-bit mono samples.

    Raises:
        BadAudioError: it does not decode.
    """
    samples = 0
    try:
        with open_input(work.source, "ogg", DECODERS, PROBE_BYTES) as opened:
            decoding = Decoding(opened)
            for frame in resampled(decoding.frames(), "s16", RATE):
                samples += frame.samples
                work.write(bytes(frame.planes[0])[: frame.samples * 2], samples / RATE)
    except (av.error.InvalidDataError, av.error.EOFError, NoOtherFileError):
        raise BadAudioError(UNDECODABLE) from None
    if decoding.stream is None or (decoding.undecoded_packets and not samples):
        raise BadAudioError(UNDECODABLE)
