"""The backend's speech: its container found by its content, opened, and checked at its end.

The packaged pipeline sends Ogg/Opus, StreamKit's own samples send WebM. An error of the demuxer is
not yet a failure: what counts is whether audio is missing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .audio_errors import BadAudioError
from .container_detection import container_of
from .decoding import DECODERS, Decoding
from .libav import NoOtherFileError, open_input
from .ogg_pages import OPUS_HEADERS, OggPages
from .peekable import PeekableReader

PROBE_BYTES = 32
"""Bytes to probe. The headers tell all there is to know, and the first audio must not wait."""
STREAMED = ("ogg", "matroska", "wav", "mp3", "flac", "aac", "au")
NO_AUDIO = "what came is no audio"
NO_SOUND = "what came holds no sound"
NOT_WHOLE = "some of the audio is missing"


@dataclass(frozen=True, slots=True)
class BackendAudio:
    """The backend's audio, while it is decoded or copied."""

    decoding: Decoding
    pages: OggPages | None

    def require_sound(self) -> None:
        """Raise BadAudioError when there was no sound."""
        if not self.decoding.samples:
            raise BadAudioError(NO_SOUND)

    def require_all(self) -> None:
        """Raise BadAudioError when some audio could not be read, or did not come."""
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
    """Open the audio that reader returns, to be read once.

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
