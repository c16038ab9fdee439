"""The service manager that started the gateway and wants to hear of it (sd_notify(3))."""

import asyncio
import logging
import os
import re
import socket
from collections.abc import Callable, MutableMapping

HEARTBEAT = 5.0
"""Seconds between two words on what the gateway is doing, where no watchdog wants them sooner."""
STOPPING_HEARTBEAT = 1.0
MORE_TIME = "EXTEND_TIMEOUT_USEC=10000000"
"""What a gateway that drains asks for with every heartbeat."""

log = logging.getLogger(__name__)


class Supervisor:
    """Tells a service manager what the gateway is doing; without one, nobody.

    A watchdog of so many seconds is fed from the event loop, three times in that time: a loop that
    is stuck feeds nothing.
    """

    def __init__(self, listens: socket.socket | None = None, watchdog: float | None = None) -> None:
        self._socket = listens
        self._heartbeat = min(HEARTBEAT, watchdog / 3) if watchdog else HEARTBEAT
        self._states: tuple[str, ...] = ("WATCHDOG=1",)
        """What is said with every heartbeat."""
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> "Supervisor":
        """Return what environ tells of, and leave no word of it for the gateway's children."""
        address = environ.pop("NOTIFY_SOCKET", None)
        microseconds = environ.pop("WATCHDOG_USEC", "")
        pid = environ.pop("WATCHDOG_PID", str(os.getpid()))
        number = re.fullmatch(r"0*[1-9][0-9]{0,15}", microseconds)
        fed = number is not None and pid == str(os.getpid())
        return cls(_connected(address), int(microseconds) / 1e6 if fed else None)

    @property
    def listens(self) -> bool:
        """Whether there is one."""
        return self._socket is not None

    def ready(self, status: Callable[[], str]) -> None:
        """Say that the gateway serves; from now on, say with status what it is doing."""
        # In one message: who waits for the start to be over looks at the status right then.
        self._beat(status, "READY=1")

    def stopping(self, status: Callable[[], str]) -> None:
        """Say that the gateway stops; from now on, ask for the time that takes."""
        self._states = ("WATCHDOG=1", MORE_TIME)
        self._heartbeat = min(self._heartbeat, STOPPING_HEARTBEAT)
        self._beat(status, "STOPPING=1")

    def end(self) -> None:
        """Say no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _beat(self, status: Callable[[], str], *news: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is None:
            return
        self._tell(*news, *self._states, f"STATUS={status()}")
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._heartbeat, self._beat, status)

    def _tell(self, *states: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send("\n".join(states).encode(), socket.MSG_DONTWAIT)
        except OSError as error:
            log.warning("the service manager cannot be told: %s", error.strerror or error)


def _connected(address: str | None) -> socket.socket | None:
    if not address:
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        sock.connect("\0" + address[1:] if address[0] == "@" else address)
    except OSError as error:
        log.warning("the service manager cannot be told anything: %s", error.strerror or error)
        sock.close()
        return None
    return sock
