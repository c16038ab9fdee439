"""Starts workers for the gateway, and keeps the fork server running that they come from."""

import asyncio
import contextlib
import logging
import math
import socket
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from itertools import count

from aiohttp import web

from ... import child_process
from ...tasks import cancel_and_wait
from ...timeout_checker import TimeoutChecker
from ..audio_errors import BROKEN, ConversionFailedError
from . import messages
from .ends import End
from .server_start import start_server
from .work import Options

FORK_SERVER = f"{__package__}.fork_server"
RESTART_TIMEOUT = 5.0
"""Seconds that a conversion waits for a fork server that is being started again."""
STALL_TIMEOUT = 30.0
"""Seconds without a byte from a worker that has something to do."""
LEAST_WORK = 0.01
"""Of those seconds, processor time of one that works, though slowly on a machine that is busy."""
KILL_AGAIN = 0.05
KILL_TIMEOUT = 10.0
"""Seconds after which a fork server that has not killed a worker is killed itself."""
LOST = -1
"""The status of a worker whose fork server ended, and it with it."""

log = logging.getLogger(__name__)


class Worker:
    """A worker that has an order."""

    def __init__(self, link: socket.socket, number: int, pool: "WorkerPool") -> None:
        self.link = link
        """The gateway's end; it does not block."""
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """The status of its process (wait(2)), or LOST."""
        self.pid: int | None = None
        """Its process, which is told as soon as it has the order."""
        self._number = number
        self._pool = pool

    def processor_seconds(self) -> float:
        """Return the processor time that it has taken (clock_getcpuclockid(3))."""
        if self.pid is None:
            return 0.0
        try:
            return time.clock_gettime((~self.pid << 3) | 2)
        except OSError:  # it has ended, which is told in a moment
            return math.inf

    def kill(self) -> None:
        """Have it killed; harmless when it has ended."""
        if not self.ended.done():
            self._pool.kill(self._number)

    async def gone(self) -> int:
        """Wait until it has ended; return its status."""
        try:
            async with asyncio.timeout(KILL_TIMEOUT):
                return await asyncio.shield(self.ended)
        except TimeoutError:
            log.error("the media workers' server is stuck; killing it")
            self._pool.kill_server()
            return await asyncio.shield(self.ended)


class WorkerPool:
    """Workers for the jobs of one module.

    Args:
        jobs: the name of a module with a function ``load`` (``work.Job``).
        file_bytes: the most that a worker may write to disk.
        on_end: is told how each conversion ended.
    """

    def __init__(
        self, jobs: str, *, file_bytes: int, on_end: Callable[[End], None] = lambda _: None
    ) -> None:
        self.on_end = on_end
        self.stalls = TimeoutChecker(STALL_TIMEOUT)
        self._arguments = {"jobs": jobs, "file_bytes": file_bytes}
        self._numbers = count()
        self._workers: dict[int, Worker] = {}
        self._control: socket.socket | None = None
        """The channel to a fork server that is ready."""
        self._process: Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """Run from an application's start to its end (aiohttp's ``cleanup_ctx``)."""
        try:
            await self.start()
            yield
        finally:
            await self.stop()

    async def start(self) -> None:
        """Start the fork server; raises StartupError."""
        process = await self._spawn()
        self._keeper = asyncio.create_task(
            child_process.keep_running("the media workers' server", process, self._spawn)
        )

    async def stop(self) -> None:
        """End the fork server, and all workers with it."""
        self.stalls.stop()
        if self._keeper is not None:
            await cancel_and_wait(self._keeper)
        self._disconnect()
        if self._process is not None:
            await child_process.kill(self._process)

    async def worker(self, job: str, options: Options) -> Worker:
        """Return a worker that does a job.

        Raises:
            ConversionFailedError: there is none to be had.
        """
        try:
            async with asyncio.timeout(RESTART_TIMEOUT):
                while True:
                    await self._ready.wait()
                    with contextlib.suppress(ConnectionError):
                        return self._order(job, options)
                    self._disconnect()  # it has died, and another is started
        except TimeoutError:
            log.error("no media worker can be had: their server does not run")
        except OSError as error:
            log.error("no media worker can be had: %s", error)
        raise ConversionFailedError(BROKEN)

    def kill(self, number: int) -> None:
        """Have a worker killed."""
        if self._control is None or number not in self._workers:
            return
        try:
            messages.send(self._control, kill=number)
        except BlockingIOError:  # it has much to do
            asyncio.get_running_loop().call_later(KILL_AGAIN, self.kill, number)
        except ConnectionError:
            pass  # it has died, and its workers with it

    def kill_server(self) -> None:
        """Kill the fork server, and all workers with it; it is started again."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _order(self, job: str, options: Options) -> Worker:
        if self._control is None:
            raise ConnectionResetError
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        number = next(self._numbers)
        with theirs:
            try:
                messages.send(
                    self._control, theirs.fileno(), number=number, job=job, options=options
                )
            except OSError:
                ours.close()
                raise
        self._workers[number] = worker = Worker(ours, number, self)
        return worker

    async def _spawn(self) -> Process:
        self._process, control = await start_server(FORK_SERVER, self._arguments)
        self._connect(control)
        return self._process

    def _connect(self, control: socket.socket) -> None:
        self._control = control
        asyncio.get_running_loop().add_reader(control, self._take_messages)
        self._ready.set()

    def _disconnect(self) -> None:
        """Give up the fork server, which ends when it notices; its workers end with it."""
        self._ready.clear()
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._control = None
        for number in list(self._workers):
            self._ended(number, LOST)

    def _take_messages(self) -> None:
        assert self._control is not None
        try:
            while True:
                message, _ = messages.receive(self._control)
                if message is None:
                    break
                if "started" in message:
                    self._workers[message["started"]].pid = message["pid"]
                else:
                    self._ended(message["ended"], message["status"])
        except BlockingIOError:
            return
        except ConnectionError:
            pass
        self._disconnect()

    def _ended(self, number: int, status: int) -> None:
        worker = self._workers.pop(number)
        if not worker.ended.done():
            worker.ended.set_result(status)
