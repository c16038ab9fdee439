"""What comes on a live connection, as samples that recognisers and the VAD hear."""

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.resampler import AudioResampler
from av.packet import Packet

from ..libav import SPEECH_RATE, flushed, samples_of
from .live_messages import MAX_CHANNELS, SAMPLE_SIZES, Listening

LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1", "7.1")
"""libav's names for what one to MAX_CHANNELS channels mean."""
assert len(LAYOUTS) == MAX_CHANNELS


class IncomingSamples:
    """Decodes and resamples what comes on a connection, to 16-bit samples at SPEECH_RATE."""

    def __init__(self, listening: Listening) -> None:
        decoder = av.CodecContext.create(listening.codec, "r")
        assert isinstance(decoder, AudioCodecContext)
        decoder.sample_rate = listening.rate
        decoder.layout = LAYOUTS[listening.channels - 1]
        self._decoder = decoder
        self._sample_bytes = SAMPLE_SIZES[listening.codec] * listening.channels
        """Bytes of a sample of each channel."""
        self._rest = b""
        """A part of a sample."""
        self._resampler = AudioResampler("s16", "mono", SPEECH_RATE)

    def decode(self, data: bytes) -> bytes:
        """Return the samples that are ready with data."""
        data = self._rest + data
        whole = len(data) // self._sample_bytes * self._sample_bytes
        self._rest = data[whole:]
        if not whole:
            return b""
        resampled = b""
        for frame in self._decoder.decode(Packet(data[:whole])):
            frame.pts = None
            resampled += b"".join(map(samples_of, self._resampler.resample(frame)))
        return resampled

    def flush(self) -> bytes:
        """Return the last samples of what has come; what follows begins anew."""
        rest = b"".join(map(samples_of, flushed(self._resampler)))
        self._resampler = AudioResampler("s16", "mono", SPEECH_RATE)
        return rest
