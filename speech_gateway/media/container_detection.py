"""Finds the container of audio by its first bytes, and removes tags in front of it.

libav allocates memory for a tag as large as the tag says it is, and decompresses a compressed one:
a WAV of 60 bytes took a gigabyte. Nothing in tags is needed here.
"""

from .mpeg_audio import AdtsFrames, begin_at_frame
from .peekable import PeekableReader
from .wav_and_au import show_au, show_wave, show_wave64

HEAD_BYTES = 12


def container_of(reader: PeekableReader) -> str | None:
    """Return libav's name for the container in reader, and let reader begin where it begins.

    Only these containers are ever opened: libav also knows playlists, which name other files. In
    mov, aiff and caf, the end may have to be read before the beginning.
    """
    head = reader.peek(HEAD_BYTES)
    tagged = head.startswith(b"ID3")
    while head.startswith(b"ID3"):
        _skip_id3(reader)
        head = reader.peek(HEAD_BYTES)
    if (container := _by_head(reader, head)) is not None:
        return container
    found = begin_at_frame(reader)
    if found == "aac":
        reader.read_through(AdtsFrames)
    return found or ("mp3" if tagged else None)


def _by_head(reader: PeekableReader, head: bytes) -> str | None:
    container = None
    match head[:4], head[4:8], head[8:12]:
        case b"RIFF" | b"RF64" | b"BW64", _, b"WAVE":
            show_wave(reader)
            container = "wav"
        case b"riff", b"\x2e\x91\xcf\x11", b"\xa5\xd6\x28\xdb":
            show_wave64(reader)
            container = "wav"
        case b".snd", _, _:
            show_au(reader)
            container = "au"
        case b"FORM", _, b"AIFF" | b"AIFC":
            container = "aiff"
        case b"caff", _, _:
            container = "caf"
        case _, b"ftyp", _:
            container = "mov"
        case b"\x1a\x45\xdf\xa3", _, _:
            container = "matroska"
        case b"OggS", _, _:
            container = "ogg"
        case b"fLaC", _, _:
            container = "flac"
    return container


def _skip_id3(reader: PeekableReader) -> None:
    """Skip an ID3v2 tag; its size has seven bits in each byte."""
    head = reader.exactly(10)
    size = 0
    for seven_bits in head[6:]:
        size = size << 7 | seven_bits & 0x7F
    has_footer = len(head) == 10 and head[5] & 0x10
    reader.skip(size + (10 if has_footer else 0))
