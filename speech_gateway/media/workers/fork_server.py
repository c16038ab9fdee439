"""The process that forks workers: ``python -m speech_gateway.media.workers.fork_server``.

It is started by the gateway, with nothing of the gateway's memory, has imported the codecs, and
never reads media itself. A few workers are forked ahead, and wait for an order. It ends when the
gateway does, and its workers with it.
"""

import contextlib
import ctypes
import gc
import importlib
import os
import selectors
import signal
import socket
from dataclasses import dataclass
from typing import Any

from . import messages, sandbox, worker
from .child_start import begin
from .sandbox import Sandbox
from .work import Jobs

SPARE_WORKERS = 2
"""Workers forked ahead: forking takes some milliseconds."""
NOT_STARTED = 1 << 8
"""The status of a worker that could not be forked, as if it had ended with 1 (wait(2))."""
REFILL_DELAY = 0.005
"""Seconds without anything to do, after which spares are forked: not while a conversion begins."""


@dataclass(frozen=True, slots=True)
class _Spare:
    """A worker that waits for an order."""

    pid: int
    orders: socket.socket


class ForkServer:
    """Forks workers, gives them orders, kills them when told, and tells how they ended."""

    def __init__(self, control: socket.socket, jobs: Jobs, sandbox: Sandbox) -> None:
        self._control = control
        self._jobs = jobs
        self._sandbox = sandbox
        self._spares: list[_Spare] = []
        self._number_of: dict[int, int] = {}
        """The order's number, by the process of its worker."""
        self._wants_spares = False

    def serve(self) -> None:
        """Serve until the gateway has ended or closed its side."""
        woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wakes)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            self._fork_spares()
            while True:
                events = selector.select(REFILL_DELAY if self._wants_spares else None)
                if not events:
                    self._fork_spares()
                for key, _ in events:
                    if key.fd == woken:
                        os.read(woken, 1024)
                        self._tell_ended()
                    elif not self._take_message():
                        return

    def _take_message(self) -> bool:
        """Do what the gateway says; return whether it is there."""
        message, fds = messages.receive(self._control)
        if message is None:
            return False
        if "kill" in message:
            self._kill(message["kill"])
        else:
            try:
                self._start(message, fds[0])
            except (OSError, IndexError):  # no process or no file is to be had
                messages.send(self._control, ended=message["number"], status=NOT_STARTED)
            for fd in fds:
                os.close(fd)
            self._wants_spares = True
        return True

    def _start(self, order: dict[str, Any], link: int) -> None:
        spare = self._take_spare()
        self._number_of[spare.pid] = number = order["number"]
        messages.send(self._control, started=number, pid=spare.pid)
        with spare.orders, contextlib.suppress(OSError):  # it has died, which is told in a moment
            messages.send(spare.orders, link, **order)

    def _take_spare(self) -> _Spare:
        self._tell_ended()  # a spare may be among them
        return self._spares.pop(0) if self._spares else self._fork(rehearse=False)

    def _fork_spares(self) -> None:
        self._wants_spares = False
        with contextlib.suppress(OSError):  # no process is to be had; after the next order, perhaps
            while len(self._spares) < SPARE_WORKERS:
                self._spares.append(self._fork(rehearse=True))

    def _fork(self, *, rehearse: bool) -> _Spare:
        ours, theirs = messages.pair()
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            try:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                if rehearse and self._jobs.rehearse is not None:
                    self._jobs.rehearse()
                worker.run(server, theirs, self._jobs, self._sandbox)
            finally:
                os._exit(1)  # whatever happens, nothing of the server's goes on here
        theirs.close()
        return _Spare(pid, ours)

    def _kill(self, number: int) -> None:
        for pid, running in self._number_of.items():
            if running == number:
                os.kill(pid, signal.SIGKILL)  # not waited for yet, so the number is its own

    def _tell_ended(self) -> None:
        """Tell of the workers that have ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            number = self._number_of.pop(pid, None)
            if number is not None:
                messages.send(self._control, ended=number, status=status)
            else:
                self._drop_spare(pid)

    def _drop_spare(self, pid: int) -> None:
        """Forget a spare that has ended; another is forked after the next order, lest it spins."""
        for spare in self._spares:
            if spare.pid == pid:
                spare.orders.close()
                self._spares.remove(spare)
                return


def main() -> None:
    """Serve the gateway at the other end of a channel."""
    arguments, control = begin()
    jobs: Jobs = importlib.import_module(arguments["jobs"]).load()
    confined, lacks = sandbox.prepare(
        Sandbox(worker.MOST_FDS, file_bytes=arguments["file_bytes"], readable=jobs.readable)
    )
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what loading took, and each worker would count as its own
    gc.freeze()  # workers share the pages that the collector would write to
    with contextlib.suppress(ConnectionError):
        messages.send(control, ready=True, lacks=lacks)
        ForkServer(control, jobs, confined).serve()


if __name__ == "__main__":
    main()
