"""Reads the files that an operator names, of bounded size."""

import errno
import os
from pathlib import Path

MAX_BYTES = 1024 * 1024
"""Bytes of a config file, a pipeline or a file of voices."""


def read_bounded(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bytes of the file at path.

    Raises:
        OSError: it cannot be read, is larger than max_bytes, or path can name no file at all.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except ValueError:  # a null byte, or half a surrogate pair
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return data


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8.

    Raises:
        ValueError: it cannot be read, or is no text; the message says why.
    """
    try:
        return read_bounded(path).decode("utf-8-sig")  # some editors begin with a byte order mark
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None


def exists(path: Path) -> bool:
    """Return whether there is something at path, as far as one may look."""
    try:
        return path.exists()
    except OSError:  # a folder on the way that is closed to us, or a name that is too long
        return False
