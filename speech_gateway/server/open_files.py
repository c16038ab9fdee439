"""The limit of open files: raised as far as needed, else fewer connections are accepted."""

import logging
import resource

from ..startup_error import StartupError

RESERVE = 128
"""Open files beside connections and calls: listeners, scrapes, the log, the engine."""
FILES_A_CALL = 5
"""A call, a connection kept for a later one, the link to a media worker, an upload, its audio."""

log = logging.getLogger(__name__)


def connections_with_files(connections: int, calls: int, listeners: int = 1) -> int:
    """Return how many client connections of each listener fit beside the calls to the backend.

    The soft limit is raised as far as needed and allowed (setrlimit(2)).

    Raises:
        StartupError: not even one connection fits.
    """
    beside = calls * FILES_A_CALL + RESERVE
    wanted = connections * listeners + beside
    room = _raise_soft_limit(wanted)
    if room >= wanted:
        return connections
    found = (room - beside) // listeners
    if found < 1:
        raise StartupError(
            f"the process may open {room} files, and {calls} calls at once want at least "
            f"{beside + 1}; allow more (ulimit -n, LimitNOFILE=), or lower max-concurrency"
        )
    log.warning(
        "the process may open %d files, which is enough for %d connections instead of %d",
        *(room, found, connections),
    )
    return found


def _raise_soft_limit(wanted: int) -> int:
    """Raise the soft limit towards wanted, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    except (OSError, ValueError):  # more than the kernel has for anybody (fs.nr_open)
        return soft
    return allowed
