"""Decodes the audio in a container, and counts what could not be decoded."""

from collections.abc import Iterator

import av.error
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from .audio_errors import BadAudioError
from .libav import is_out_of_memory
from .mp4 import MAX_FRAME_SAMPLES
from .wav_and_au import MAX_CHANNELS

DECODERS = (
    *("opus", "vorbis", "flac", "mp3float", "mp3", "mp2float", "mp2", "aac", "alac"),
    *("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"),
    *("pcm_s8", "pcm_s16be", "pcm_s24be", "pcm_s32be", "pcm_f32be", "pcm_f64be"),
    *("pcm_alaw", "pcm_mulaw", "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt"),
)
MIN_RATE, MAX_RATE = 4_000, 192_000
STRANGE_RATE = f"the audio's sample rate is not between {MIN_RATE} and {MAX_RATE} Hz"
TOO_MANY_CHANNELS = f"the audio has more than {MAX_CHANNELS} channels"
LONG_FRAMES = f"the audio has frames of more than {MAX_FRAME_SAMPLES} samples"
MAX_FAULTS_IN_A_ROW = 1_000
"""Errors of a demuxer in a row, after which it is not asked again."""


class Decoding:
    """The first audio stream in a container, as far as it can be decoded.

    Packets that cannot be decoded are skipped and counted. An empty packet is no error: StreamKit
    ends its Ogg with one, which libav's demuxer takes for invalid data.
    """

    def __init__(self, opened: InputContainer) -> None:
        self.stream = _first_audio(opened)
        self.samples = 0
        """Samples decoded so far, of each channel."""
        self.read_packets = 0
        self.packet_bytes = 0
        self.undecoded_packets = 0
        self._opened = opened

    @property
    def is_opus(self) -> bool:
        """Whether the codec is Opus."""
        return self.stream is not None and self.stream.codec_context.name == "opus"

    @property
    def declared_seconds(self) -> float | None:
        """How long the container says that the audio is, if it does."""
        if self.stream is None or self.stream.duration is None or self.stream.time_base is None:
            return None
        return float(self.stream.duration * self.stream.time_base)

    def packets(self) -> "Iterator[Packet[AudioStream]]":
        """Yield the packets that are not empty, skipping errors of the demuxer."""
        faults = 0
        while self.stream is not None and faults < MAX_FAULTS_IN_A_ROW:
            try:
                for packet in self._opened.demux(self.stream):
                    faults = 0
                    if packet.size:
                        self.read_packets += 1
                        self.packet_bytes += packet.size
                        yield packet
                return
            except av.error.FFmpegError as error:
                if is_out_of_memory(error):
                    raise
                faults += 1

    def frames(self) -> Iterator[AudioFrame]:
        """Yield the decoded frames.

        Raises:
            BadAudioError: the sample rate is out of range, or there are too many channels.
        """
        if self.stream is None:
            return
        self.stream.codec_context.thread_count = 1
        for packet in self.packets():
            yield from self._decoded(packet)
        yield from self._decoded(None)

    def _decoded(self, packet: "Packet[AudioStream] | None") -> Iterator[AudioFrame]:
        """Yield a packet's frames or, for none, those that the decoder still holds."""
        assert self.stream is not None
        try:
            frames = self.stream.codec_context.decode(packet)
        except av.error.FFmpegError as error:
            if is_out_of_memory(error):
                raise
            self.undecoded_packets += 1
            return
        for frame in frames:
            if not MIN_RATE <= frame.sample_rate <= MAX_RATE:
                raise BadAudioError(STRANGE_RATE)
            if frame.layout.nb_channels > MAX_CHANNELS:
                raise BadAudioError(TOO_MANY_CHANNELS)
            self.samples += frame.samples
            yield frame


def _first_audio(opened: InputContainer) -> AudioStream | None:
    """Return the first audio stream that can be decoded.

    Raises:
        BadAudioError: its frames are absurdly long.
    """
    for stream in opened.streams.audio:
        # The list holds for what libav opens by itself; this, for what is opened here.
        if stream.codec_context is not None and stream.codec_context.name in DECODERS:
            if stream.codec_context.name == "alac" and not _is_plausible_alac(stream):
                raise BadAudioError(LONG_FRAMES)
            return stream
    return None


def _is_plausible_alac(stream: AudioStream) -> bool:
    """Return whether the frames of ALAC are of a usual size: libav allocates what they claim.

    The settings are in a box (QuickTime), behind size, type and version.
    """
    settings = stream.codec_context.extradata or b""
    frame_samples = int.from_bytes(settings[12:16])
    return len(settings) >= 16 and frame_samples <= MAX_FRAME_SAMPLES
