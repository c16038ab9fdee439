"""The file of a unix socket, which exists only while the socket is served."""

import contextlib
import errno
import os
import secrets
import socket
import stat
from pathlib import Path

from ..config.addresses import MAX_SOCKET_PATH


class UnixSocket:
    """A socket that is bound under a temporary name, and renamed once it is served.

    The file exists from ``bind`` on, but until ``listen`` connections to it are refused.
    """

    def __init__(self, path: Path) -> None:
        """Bind a socket in path's folder.

        Raises:
            OSError: path is too long, is in use, or cannot be written to.
        """
        if len(os.fsencode(path)) > MAX_SOCKET_PATH:
            raise OSError(
                errno.ENAMETOOLONG,
                f"the path is over the {MAX_SOCKET_PATH} bytes that a socket's may have",
            )
        if _is_taken(path):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        self.path = path
        # No longer than the name to come, so that it fits wherever that does.
        self._bound = path.with_name(secrets.token_hex(8)[: len(os.fsencode(path.name))])
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            self.socket.bind(str(self._bound))
            self._file = _identity(self._bound)
        except BaseException:
            self.socket.close()
            raise

    def publish(self) -> None:
        """Rename the socket to its path, replacing a stale file; raises OSError."""
        self._bound.rename(self.path)
        self._bound = self.path

    def remove(self) -> None:
        """Remove the file, unless it is another one by now."""
        with contextlib.suppress(OSError):
            if _identity(self._bound) == self._file:
                self._bound.unlink()


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


def _is_taken(path: Path) -> bool:
    """Return whether path is in use: by a served socket, or by another kind of file."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return True
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # a full queue would be waited for
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            pass
    return True
