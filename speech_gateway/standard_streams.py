"""The standard streams, which whoever starts the program may have closed, or stopped reading."""

import os
import sys
from typing import TextIO


def ensure_open() -> None:
    """Put /dev/null where a standard stream is closed.

    The next file to be opened would take its place: a log would go to a client, and libuv aborts
    the process when it is to close such a file.
    """
    while (null := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(null, True)
    os.close(null)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def say(stream: TextIO, text: str) -> None:
    """Write text to stream, if anybody can be told anything there."""
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        # Or Python would try again at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def printable(text: str) -> str:
    """Return text with what would not print as one line escaped."""
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else ascii(c)[1:-1] for c in text])
