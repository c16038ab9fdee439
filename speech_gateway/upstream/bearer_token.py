"""The token for calls to the backend, and whether the backend accepts it."""

import asyncio
import contextlib
import logging
from pathlib import Path
from time import monotonic

from ..config import parsers
from ..config.watched_file import WatchedFile

MAX_BYTES = 64 * 1024
REFRESH_TIMEOUT = 2.0
"""Seconds that a refused call waits for a token file that is being written."""

_NO_TOKEN = ""
"""Differs from every token, and from None, which stands for no token."""

log = logging.getLogger(__name__)


class BearerToken:
    """The gateway's own token, or none.

    Each call reads ``value`` again, so that it carries the current token. What the backend said is
    remembered for the token that it was said to.
    """

    def __init__(self, token: str | None = None, file: WatchedFile[str] | None = None) -> None:
        self.file = file
        """The file that the token is read from, if there is one."""
        self._token = token
        self._accepted: str | None = _NO_TOKEN
        self._refused: str | None = _NO_TOKEN
        self._refused_at = 0.0

    @classmethod
    def from_file(cls, path: Path) -> "BearerToken":
        """Return the token that the file at path holds, now and later.

        Raises:
            ValueError: the file cannot be read, or does not hold one token.
        """
        try:
            file = WatchedFile(
                path,
                _parse,
                subject="backend's token is",
                max_bytes=MAX_BYTES,
                on_change=_tell,
            )
        except (OSError, ValueError):
            raise ValueError("must be a readable file that holds one token") from None
        return cls(file=file)

    @property
    def value(self) -> str | None:
        """The current token; None where there is none. Never to be logged."""
        return self._token if self.file is None else self.file.value

    @property
    def accepted(self) -> bool:
        """Whether the backend's last answer to the current token was no refusal."""
        return self._accepted == self.value

    @property
    def refused(self) -> bool:
        """Whether the backend's last answer to the current token was 401 or 403."""
        return self._refused == self.value

    @property
    def refused_for(self) -> float:
        """Seconds since the last refusal."""
        return monotonic() - self._refused_at

    def accept(self, value: str | None) -> None:
        """Note that the backend accepted a call with the token value."""
        self._accepted, self._refused = value, _NO_TOKEN

    def refuse(self, value: str | None) -> None:
        """Note that the backend answered 401 or 403 to a call with the token value."""
        if value == self.value:  # not to one from before a change
            self._accepted, self._refused = _NO_TOKEN, value
            self._refused_at = monotonic()

    def forget(self) -> None:
        """Forget what the backend said; the next call will tell."""
        self._accepted = self._refused = _NO_TOKEN

    async def refresh(self) -> None:
        """Check the file now."""
        if self.file is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_TIMEOUT):
                    await self.file.refresh()


def authorization(token: str | None) -> str:
    """Return the header line that shows token; nothing where there is none."""
    return f"Authorization: Bearer {token}\r\n" if token else ""


def _parse(data: bytes) -> str:
    try:
        return parsers.token(data.decode("utf-8-sig").strip())
    except ValueError:
        raise ValueError("must hold one token") from None


def _tell(_token: str) -> None:
    log.info("the backend's token was read again")
