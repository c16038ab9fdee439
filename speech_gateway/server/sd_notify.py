"""Tells the service manager about the gateway's state (sd_notify(3))."""

import asyncio
import logging
import os
import re
import socket
import time
from collections.abc import Callable, MutableMapping
from pathlib import Path

HEARTBEAT = 5.0
"""Seconds between two status messages, unless a watchdog needs them sooner."""
STOPPING_HEARTBEAT = 1.0
RELOAD_OUTCOME = "reload-outcome"
"""A file in the runtime directory: what became of the last reload."""
MORE_TIME = "EXTEND_TIMEOUT_USEC=10000000"
"""Sent with every status message while the gateway drains."""

log = logging.getLogger(__name__)


class Supervisor:
    """Sends the gateway's state to a service manager, if there is one.

    A watchdog is fed from the event loop, three times in its period: a loop that is stuck does not
    feed it.
    """

    def __init__(
        self,
        listens: socket.socket | None = None,
        watchdog: float | None = None,
        folder: Path | None = None,
    ) -> None:
        self._socket = listens
        self._folder = folder
        self._heartbeat = min(HEARTBEAT, watchdog / 3) if watchdog else HEARTBEAT
        self._states: tuple[str, ...] = ("WATCHDOG=1",)
        """Sent with every status message."""
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> "Supervisor":
        """Return the manager that environ names; remove its variables, so that children do not
        inherit them.
        """
        address = environ.pop("NOTIFY_SOCKET", None)
        microseconds = environ.pop("WATCHDOG_USEC", "")
        pid = environ.pop("WATCHDOG_PID", str(os.getpid()))
        number = re.fullmatch(r"0*[1-9][0-9]{0,15}", microseconds)
        fed = number is not None and pid == str(os.getpid())
        listens = _connected(address)
        folder = environ.get("RUNTIME_DIRECTORY") if listens is not None else None
        watchdog = int(microseconds) / 1e6 if fed else None
        return cls(listens, watchdog, Path(folder) if folder else None)

    @property
    def listens(self) -> bool:
        """Whether there is a service manager."""
        return self._socket is not None

    def ready(self, status: Callable[[], str]) -> None:
        """Tell that the gateway serves; from now on send status regularly."""
        # In one message: who waits for the start to be over looks at the status right then.
        self._beat(status, "READY=1")

    def reloading(self, status: Callable[[], str]) -> None:
        """Tell that the settings are read again; ``reloaded`` tells when that is over."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._beat(status, "RELOADING=1", f"MONOTONIC_USEC={microseconds}")

    def reloaded(self, status: Callable[[], str], *, successfully: bool) -> None:
        """Tell that the settings were read, and whether they were taken."""
        if self._folder is not None:  # which systemd/reload-and-wait looks into
            outcome = self._folder / RELOAD_OUTCOME
            try:
                new = outcome.with_suffix(".new")
                new.write_text("reloaded\n" if successfully else "failed\n")
                new.rename(outcome)
            except OSError as error:
                log.warning("%s cannot be written: %s", outcome, error.strerror)
        self._beat(status, "READY=1")

    def stopping(self, status: Callable[[], str]) -> None:
        """Tell that the gateway stops; from now on ask for more time with each status."""
        self._states = ("WATCHDOG=1", MORE_TIME)
        self._heartbeat = min(self._heartbeat, STOPPING_HEARTBEAT)
        self._beat(status, "STOPPING=1")

    def end(self) -> None:
        """Send nothing more."""
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
