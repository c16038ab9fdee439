"""The same jobs, where every other process cannot be forked."""

import errno
import os
from itertools import count

from .jobs import load

__all__ = ["load"]

AT_THE_START = 3
_fork, _calls = os.fork, count()


def _fork_sometimes() -> int:
    if (call := next(_calls)) > AT_THE_START and call % 2:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    return _fork()


os.fork = _fork_sometimes
