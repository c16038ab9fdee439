"""Sockets that a service manager opened and keeps open while the gateway restarts.

The protocol is sd_listen_fds(3): file descriptors from 3 on, announced in the environment.
"""

import os
import re
import socket
from collections.abc import MutableMapping

from ..startup_error import StartupError

FIRST = 3
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def take_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """Return the sockets passed to this process; remove their variables from environ.

    Raises:
        StartupError: one of them is not a listening socket.
    """
    pid, count, _ = (environ.pop(variable, "") for variable in _VARIABLES)
    if pid != str(os.getpid()) or not re.fullmatch(r"[0-9]{1,9}", count):
        return []
    return [_listening(number) for number in range(FIRST, FIRST + int(count))]


def _listening(number: int) -> socket.socket:
    try:
        os.set_inheritable(number, False)
        sock = socket.socket(fileno=number)
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError:
        listens = 0
    if not listens or sock.type != socket.SOCK_STREAM:
        raise StartupError(
            f"file descriptor {number} was handed over, but is no listening stream socket; "
            "a socket unit wants ListenStream= and Accept=no"
        )
    sock.setblocking(False)
    return sock
