"""The client keys: a file that is read again when it changes."""

import hashlib
import io
import logging
import re
import time
from pathlib import Path

from .watched_file import WatchedFile

MIN_LENGTH = 16
MAX_BYTES = 64 * 1024 * 1024
BATCH = 200
"""Lines after which other threads get a turn: about a millisecond."""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEY = re.compile(rf"[\x21-\x7e]{{{MIN_LENGTH},512}}")
_HASHED = re.compile(r"sha256:([0-9a-f]{64})")

log = logging.getLogger(__name__)

Names = dict[bytes, str]
"""The client's name by its key's SHA-256; a client may have several keys, as during a change."""


class ClientKeys:
    """The keys of one file, read again when it has changed.

    A line is a name and a key, or ``sha256:`` and the hexadecimal digest of one; ``#`` begins a
    comment. A changed file that is wrong or gone is not taken, and the keys from before stay; one
    that was emptied revokes all.

    Raises:
        ValueError: the file cannot be read, holds no key, or a line is wrong; no key is told.
    """

    def __init__(self, path: Path) -> None:
        try:
            self.file: WatchedFile[Names] = WatchedFile(
                path, _parse, subject="client keys are", max_bytes=MAX_BYTES, on_change=_tell
            )
        except OSError:
            raise ValueError("must be a readable file of client keys") from None
        if not self.file.value:
            raise ValueError("must hold a client key, as a line of a name and a key")

    def name_of(self, key: str) -> str | None:
        """Return the name of the client that key belongs to.

        The comparison leaks no part of a key by its timing: it compares digests, which nobody can
        steer towards those of the keys.
        """
        return self.file.value.get(_digest(key.encode("utf-8", "surrogateescape")))


def _tell(names: Names) -> None:
    if names:
        log.info("the client keys were read again: %d", len(names))
    else:
        log.error("the file of client keys is empty now: every key is revoked, nobody is let in")


def _parse(data: bytes) -> Names:
    names: Names = {}
    try:
        # Line by line: a step that takes long would not let the event loop's thread go on.
        for number, line in enumerate(io.TextIOWrapper(io.BytesIO(data), "utf-8-sig"), 1):
            if number % BATCH == 0:
                time.sleep(0)
            if words := line.partition("#")[0].split():
                name, digest = _parse_line(number, words)
                if digest in names:
                    raise ValueError("must not hold a key twice")
                names[digest] = name
    except UnicodeDecodeError:
        raise ValueError("must be a readable file of client keys") from None
    return names


def _parse_line(number: int, words: list[str]) -> tuple[str, bytes]:
    if len(words) != 2 or not _NAME.fullmatch(words[0]):
        raise ValueError(f"must be lines of a name and a key; line {number} is not")
    name, key = words
    if hashed := _HASHED.fullmatch(key):
        return name, bytes.fromhex(hashed[1])
    if key.startswith("sha256:") or not _KEY.fullmatch(key):
        raise ValueError(
            f"must hold keys of {MIN_LENGTH} visible ASCII characters or more, or sha256: and 64 "
            f"hexadecimal digits; line {number} does not"
        )
    return name, _digest(key.encode())


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
