"""A worker: a forked process that waits for an order, does it, answers, and ends."""

import os
import socket
import tempfile
from collections.abc import Callable
from typing import BinaryIO, NoReturn

import av.error

from ..audio_errors import DAMAGED, BadAudioError
from ..libav import is_out_of_memory
from . import messages
from .frames import MAX_PAYLOAD, Kind, pack
from .sandbox import ProcessorTime, Sandbox
from .work import Job, Jobs, Work

ORDERS_FD = 3
MOST_FDS = 8
"""Standard streams (on /dev/null), orders or nothing, spool and its map, link to the gateway; one
for a file that a job reads.
"""
READ_BYTES = 64 * 1024


def run(parent: int, orders: socket.socket, jobs: Jobs, sandbox: Sandbox) -> NoReturn:
    """Wait for an order, do it, and end this process, which has just been forked."""
    os.dup2(orders.fileno(), ORDERS_FD)
    os.dup2(0, 2)  # what libraries print is for nobody
    os.closerange(ORDERS_FD + 1, os.sysconf("SC_OPEN_MAX"))
    open_spool = _spool()
    sandbox.enter(parent)
    time = ProcessorTime(jobs.processor_rate)
    with socket.socket(fileno=ORDERS_FD) as channel:
        order, fds = messages.receive(channel)
    if order is not None:
        link = _Link(socket.socket(fileno=fds[0]), time)
        work = Work(link, link.write, open_spool, order["options"])
        link.finish(*_outcome(jobs.by_name[order["job"]], work))
    os._exit(0)


def _spool() -> Callable[[], BinaryIO]:
    """Open a file on disk, as none can be opened later; a failure is told to who wants the file."""
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - it ends with the process
    except OSError as error:
        failure = error

        def fail() -> BinaryIO:
            raise failure

        return fail
    return lambda: file


def _outcome(job: Job, work: Work) -> tuple[Kind, str]:
    """Do a job; return how it ended, and the text of that."""
    try:
        job(work)
    except Exception as error:  # noqa: BLE001 - told to the gateway
        return _blamed(error)
    return Kind.DONE, ""


def _blamed(error: Exception) -> tuple[Kind, str]:
    """Return whose fault an error is: the client's, whose text is for people, or the gateway's."""
    if isinstance(error, BadAudioError):
        return Kind.BAD_AUDIO, str(error)
    if is_out_of_memory(error):
        return Kind.TOO_COSTLY, ""
    if isinstance(error, av.error.FFmpegError):
        return Kind.BAD_AUDIO, DAMAGED
    return Kind.FAILED, f"{type(error).__name__}: {error}"


class _Link:
    """The connection to the gateway: input comes, frames go."""

    def __init__(self, link: socket.socket, time: ProcessorTime) -> None:
        self._link = link
        self._time = time
        self._seconds = 0.0

    def read(self, size: int, /) -> bytes:
        """Wait for input; return some, at most size bytes, and nothing at the end."""
        try:
            return self._link.recv(min(size, READ_BYTES))
        except ConnectionError:
            os._exit(0)  # the gateway is gone

    def write(self, data: bytes, seconds: float, /) -> None:
        """Send some output; seconds of audio are written by now."""
        self._seconds = seconds
        self._time.earn(seconds)
        for at in range(0, len(data), MAX_PAYLOAD):
            self._send(Kind.DATA, data[at : at + MAX_PAYLOAD])

    def finish(self, kind: Kind, text: str) -> None:
        """Tell how the job ended."""
        self._send(kind, text.encode()[:MAX_PAYLOAD])

    def _send(self, kind: Kind, payload: bytes) -> None:
        try:
            self._link.sendall(pack(kind, payload, self._seconds))
        except ConnectionError:
            os._exit(0)  # the gateway is gone
