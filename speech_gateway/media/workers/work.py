"""A job of a media worker, and what it is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from ..peekable import ByteReader

MAX_AUDIO_SECONDS = 4 * 3600
"""Seconds of audio that a job makes at most: a few bytes may stand for minutes of silence."""
Options = Mapping[str, str | int | float]


class Write(Protocol):
    """Takes some output, and how many seconds of audio were written by now."""

    def __call__(self, data: bytes, seconds: float, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Work:
    """The input of a job, and where its output goes."""

    source: ByteReader
    write: Write
    open_spool: Callable[[], BinaryIO]
    """Returns the one file on disk that a worker has, which is empty; raises OSError."""
    options: Options


Job = Callable[[Work], None]
"""Raises BadAudioError, or what else went wrong."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """What the workers of a fork server can do.

    A module of jobs has a function ``load`` that returns this. It is called once, before any worker
    is forked, and imports and opens all that a job needs.
    """

    by_name: Mapping[str, Job]
    rehearse: Callable[[], None] | None = None
    """Does what jobs do, in a worker that waits for its job: it then has its own copy of the memory
    that it writes to, and the job begins some milliseconds earlier.
    """
    readable: Path | None = None
    """A folder whose files a job reads; a worker can open no others."""
    processor_rate: float = 0.1
    """Processor seconds that a worker may take for each second of audio: some ten times of what it
    takes, as smaller machines are slower, and busy ones as well.
    """
