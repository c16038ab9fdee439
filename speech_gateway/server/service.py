"""The gateway as a process: what signals do, what the service manager is told, and the end."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack

from .. import standard_streams
from ..config.settings import Settings
from ..tasks import cancel_and_wait
from .gateway import Gateway, running
from .reload import Reloader
from .sd_notify import Supervisor

log = logging.getLogger(__name__)


class _Signals:
    """What the process was told by signals."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.stop_now = asyncio.Event()
        self.reload = asyncio.Event()
        # nohup(1) has the signal ignored, and means that no terminal's end is to matter.
        self._has_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_DFL and _has_terminal()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)

    def _on_stop(self) -> None:
        (self.stop_now if self.stop.is_set() else self.stop).set()

    def _on_hangup(self) -> None:
        """Reload; but a terminal that is gone takes along what was started from it."""
        if self._has_terminal and not _has_terminal():
            self._on_stop()
        else:
            self.reload.set()


async def serve(
    settings: Settings,
    load: Callable[[], Settings],
    supervisor: Supervisor,
    inherited: Sequence[socket.socket] = (),
    *,
    greet: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends the drain.

    A signal during the start gives the start up. SIGHUP has load read the settings again.
    """
    signals = _Signals()
    async with AsyncExitStack() as stack:
        starting = stack.enter_async_context(running(settings, inherited))
        gateway = await _start(starting, signals.stop)
        if gateway is not None:
            supervisor.ready(gateway.status)
            if greet:
                standard_streams.say(sys.stdout, greeting(gateway.url, console=settings.console))
            reloader = Reloader(gateway, load, supervisor)
            reloading = asyncio.create_task(reloader.run(signals.reload))
            await signals.stop.wait()
            await cancel_and_wait(reloading)
            await _stop(gateway, signals, supervisor)
    supervisor.end()
    log.info("stopped" if gateway is not None else "stopped before it served")


async def _start(
    starting: Coroutine[object, object, Gateway], stop: asyncio.Event
) -> Gateway | None:
    """Return the gateway when it serves; None when it was told to stop before."""
    start = asyncio.create_task(starting)
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({start, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return await start if start.done() else None
    finally:
        await cancel_and_wait(start, stopped)


async def _stop(gateway: Gateway, signals: _Signals, supervisor: Supervisor) -> None:
    timeout = gateway.settings.drain_timeout
    log.info("stopping: what is under way gets %g s", timeout)
    await gateway.begin_shutdown()
    supervisor.stopping(gateway.status)
    await gateway.drain(timeout, signals.stop_now)


def _has_terminal() -> bool:
    """Return whether the process has a controlling terminal (tty(4))."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def greeting(url: str, *, console: bool) -> str:
    """Return what to try, for a person at a terminal: the console, and commands."""
    where, curl = url, "curl -s"
    if url.startswith("unix:"):  # which no browser opens
        curl, url = f"curl -s --unix-socket {url.removeprefix('unix:')}", "http://localhost"
        console = False
    page = ": open that in a browser" if console else ""
    return f"""
  speech-gateway serves on {where}{page}. In a second terminal:

    {curl} -d 'The quick brown fox jumps over the lazy dog.' {url}/tts -o fox.ogg
    {curl} -H 'Content-Type: audio/ogg' --data-binary @fox.ogg {url}/stt
    {curl} {url}/metrics

  Ctrl-C stops it.
"""
