"""Open files: as many as the settings want, or fewer connections, so that calls still find one."""

import logging
import resource

from ..errors import StartupError

RESERVE = 128
"""Files for what is neither a client's connection nor a call: listeners, scrapes, log, engine."""
FILES_A_CALL = 2
"""Beside each live call there may be a connection kept for a later one."""

log = logging.getLogger(__name__)


def connections_with_files(connections: int, calls: int) -> int:
    """Return how many client connections there is room for, beside calls to the backend.

    The soft limit is raised as far as needed and allowed (setrlimit(2)).

    Raises:
        StartupError: not even one connection would find a file.
    """
    beside = calls * FILES_A_CALL + RESERVE
    wanted = connections + beside
    room = _raise_soft_limit(wanted)
    if room >= wanted:
        return connections
    found = room - beside
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
    """Return the limit on open files, raised towards wanted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    except (OSError, ValueError):  # more than the kernel has for anybody (fs.nr_open)
        return soft
    return allowed
