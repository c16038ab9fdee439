"""Encodes raw samples of any usual kind to the backend's Ogg/Opus, while they come."""

from .audio_errors import BadAudioError
from .live.incoming_samples import IncomingSamples
from .live.live_messages import Listening, MessageReader, Told, unpack_listening
from .live.utterance_encoder import UtteranceEncoder
from .peekable import ByteReader
from .workers.work import Write

READ_BYTES = 64 * 1024
NO_SAMPLES = "there is no audio"


def encode_samples(source: ByteReader, write: Write) -> None:
    """Encode samples that come as on a live connection: CONFIGURE before AUDIO of another kind.

    Raises:
        BadAudioError: there are none.
    """
    messages, samples, encoder = MessageReader(), IncomingSamples(Listening()), UtteranceEncoder()

    def encode(resampled: bytes) -> None:
        if pages := encoder.add(resampled):
            write(pages, encoder.seconds)

    while data := source.read(READ_BYTES):
        for kind, payload in messages.feed(data):
            if kind == Told.CONFIGURE:
                encode(samples.flush())
                samples = IncomingSamples(unpack_listening(payload))
            else:
                encode(samples.decode(payload))
    encode(samples.flush())
    if not encoder.seconds:
        raise BadAudioError(NO_SAMPLES)
    write(encoder.finish(), encoder.seconds)
