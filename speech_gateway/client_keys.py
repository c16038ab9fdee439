"""The keys that clients show, in a file that may change while the gateway runs."""

import hashlib
import hmac
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

LEAST_LENGTH = 16
LOOK_EVERY = 1.0
"""Seconds between two looks at whether the file has changed."""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEY = re.compile(rf"[\x21-\x7e]{{{LEAST_LENGTH},512}}")
_HASHED = re.compile(r"sha256:([0-9a-f]{64})")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClientKey:
    """One client's key; a client may have several, as while they are changed."""

    name: str
    digest: bytes
    """SHA-256 of the key."""


class ClientKeys:
    """The keys of one file, read again when it has changed.

    A line is a name and a key, or ``sha256:`` and the hexadecimal digest of one; ``#`` begins a
    comment. A changed file that is wrong is not taken, and the keys from before stay.

    Raises:
        ValueError: the file cannot be read, or a line is wrong; no key is told.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = _state(path)
        self._keys = _read(path)
        self._looked_at = monotonic()

    def name_of(self, key: str) -> str | None:
        """Return whose key it is, in a time that tells nothing of how much of it is right."""
        self._look()
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        name = None
        for known in self._keys:
            if hmac.compare_digest(known.digest, digest):
                name = known.name
        return name

    def _look(self) -> None:
        now = monotonic()
        if now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        state = _state(self._path)
        if state == self._state:
            return
        self._state = state
        try:
            self._keys = _read(self._path)
        except ValueError as error:
            log.error("the changed client keys are not taken: the file %s", error)
        else:
            log.info("the client keys were read again: %d", len(self._keys))


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path) -> tuple[ClientKey, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ValueError("must be a readable file of client keys") from None
    numbered = [(number, line.partition("#")[0].split()) for number, line in enumerate(lines, 1)]
    keys = tuple(_parse(number, words) for number, words in numbered if words)
    if not keys:
        raise ValueError("must hold a client key, as a line of a name and a key")
    if len({key.digest for key in keys}) < len(keys):
        raise ValueError("must not hold a key twice")
    return keys


def _parse(number: int, words: list[str]) -> ClientKey:
    if len(words) != 2 or not _NAME.fullmatch(words[0]):
        raise ValueError(f"must be lines of a name and a key; line {number} is not")
    name, key = words
    if hashed := _HASHED.fullmatch(key):
        return ClientKey(name, bytes.fromhex(hashed[1]))
    if key.startswith("sha256:") or not _KEY.fullmatch(key):
        raise ValueError(
            f"must hold keys of {LEAST_LENGTH} visible ASCII characters or more, or sha256: and 64 "
            f"hexadecimal digits; line {number} does not"
        )
    return ClientKey(name, hashlib.sha256(key.encode()).digest())
