"""The standard streams, which may be closed, or read by nobody."""

import os
import sys
from typing import TextIO


def ensure_open() -> None:
    """Open /dev/null in place of a closed standard stream.

    Otherwise the next file opened would take its number: a log would go to a client, and libuv
    aborts the process when it has to close such a file.
    """
    while (null := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(null, True)
    os.close(null)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def say(stream: TextIO, text: str) -> None:
    """Write text to stream, unless nobody can read it."""
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        # Or Python would try again at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def printable(text: str) -> str:
    """Return text with unprintable characters escaped."""
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() else ascii(c)[1:-1] for c in text])
