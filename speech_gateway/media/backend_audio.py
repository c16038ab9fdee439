"""What a backend sent for speech: told by its content, opened, and judged at its end.

It is Ogg/Opus from the packaged pipeline, WebM from StreamKit's own samples. A demuxer's error is
not yet a failure: what counts is whether sound is missing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .container_detection import container_of
from .decoding import DECODERS, Decoding
from .faults import BadAudioError
from .libav import NoOtherFileError, open_input
from .ogg_pages import OPUS_HEADERS, OggPages
from .peekable import PeekableReader

PROBE_BYTES = 32
"""The headers tell all there is to know; the first audio is not to wait for more."""
STREAMED = ("ogg", "matroska", "wav", "mp3", "flac", "aac", "au")
NO_AUDIO = "what came is no audio"
NO_SOUND = "what came holds no sound"
NOT_WHOLE = "some of the audio is missing"


@dataclass(frozen=True, slots=True)
class BackendAudio:
    """What came, while it is decoded or copied."""

    decoding: Decoding
    pages: OggPages | None

    def require_sound(self) -> None:
        """Raise BadAudioError when nothing was to be heard."""
        if not self.decoding.samples:
            raise BadAudioError(NO_SOUND)

    def require_all(self) -> None:
        """Raise BadAudioError when more was sent than could be read, or was to be sent."""
        if self.decoding.undecoded_packets or (self.pages is not None and self._is_cut(self.pages)):
            raise BadAudioError(NOT_WHOLE)

    def _is_cut(self, pages: OggPages) -> bool:
        if self.decoding.is_opus and pages.streams == 1:
            # A demuxer leaves out what it cannot read.
            sent = pages.packets - OPUS_HEADERS
            return not pages.ended or sent > self.decoding.read_packets
        return not pages.ended


@contextmanager
def opened(reader: PeekableReader) -> Iterator[BackendAudio]:
    """Open what comes, to be read once.

    Raises:
        BadAudioError: it is no audio.
    """
    container = container_of(reader)
    if container not in STREAMED:
        raise BadAudioError(NO_AUDIO)
    pages = OggPages(reader) if container == "ogg" else None
    try:
        with open_input(pages or reader, container, DECODERS, PROBE_BYTES) as file:
            yield BackendAudio(Decoding(file), pages)
    except NoOtherFileError:
        raise BadAudioError(NO_AUDIO) from None
