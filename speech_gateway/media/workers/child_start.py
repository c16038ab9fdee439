"""The beginning of a process that ``server_start`` has started."""

import json
import signal
import socket
import sys
from typing import Any


def begin() -> tuple[dict[str, Any], socket.socket]:
    """Return the arguments of this process, and the channel to the gateway.

    Who stops the gateway may signal all of its processes, and what is under way is to finish first:
    so this one ends when its channel does.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    arguments: dict[str, Any] = json.loads(sys.argv[1])
    control = socket.socket(fileno=arguments["control"])
    control.set_inheritable(False)
    return arguments, control
