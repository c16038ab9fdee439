"""One conversion, as the gateway sees it: fed and read while a worker converts."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Mapping

from ..audio_errors import BROKEN, TOO_COSTLY, BadAudioError, ConversionFailedError
from .ends import End
from .frames import Frame, FrameError, FrameReader, Kind
from .pool import LEAST_WORK, LOST, STALL_TIMEOUT, Worker, WorkerPool
from .work import Options

READ_BYTES = 64 * 1024
"""Taken from the worker at once; the kernel keeps some 200 KiB in each direction."""
GIVEN_UP = "the conversion was given up"

log = logging.getLogger(__name__)


_FAILURES: Mapping[End, tuple[type[Exception], str]] = {
    End.TOO_COSTLY: (BadAudioError, TOO_COSTLY),
    End.FAILED: (ConversionFailedError, BROKEN),
    End.CRASHED: (ConversionFailedError, BROKEN),
    End.STALLED: (ConversionFailedError, BROKEN),
    End.GIVEN_UP: (BadAudioError, GIVEN_UP),
}


class Conversion:
    """One conversion, over an ``async with`` block: its worker is gone when the block is left.

    The worker is taken with the first input, or before it by ``begin``. Who feeds or reads must
    have ended before the block does.
    """

    def __init__(self, pool: WorkerPool, job: str, options: Options | None = None) -> None:
        self.seconds = 0.0
        """Seconds of audio that came out so far."""
        self._pool = pool
        self._job = job
        self._options = options or {}
        self._loop = asyncio.get_running_loop()
        self._worker: Worker | None = None
        self._begun = asyncio.Event()
        self._frames = FrameReader()
        self._end: End | None = None
        self._failure: Exception | None = None
        self._feeding = self._reading = self._input_ended = False
        self._moved = 0.0
        """When something was fed, read, or begun to be."""
        self._worked = 0.0
        """Processor seconds of the worker when it was looked at last."""

    async def __aenter__(self) -> "Conversion":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def begin(self) -> None:
        """Have a worker prepare itself, while the first input is waited for."""
        await self._take_worker()

    async def feed(self, piece: bytes) -> None:
        """Give piece to the worker, as soon as it has taken most of what came before.

        Return at once when the conversion is over or given up.
        """
        if (worker := await self._take_worker()) is None:
            return
        self._feeding, self._moved = True, self._loop.time()
        try:
            await self._loop.sock_sendall(worker.link, piece)
        except ConnectionError:
            pass  # it has ended; who reads is told why
        finally:
            self._feeding, self._moved = False, self._loop.time()

    async def feed_all(self, pieces: AsyncIterator[bytes]) -> None:
        """Give all pieces to the worker, then end; when pieces raises, give up and raise that."""
        try:
            async for piece in pieces:
                await self.feed(piece)
            await self.end()
        except BaseException:
            self.give_up()
            raise

    async def end(self) -> None:
        """Say that no more input will come."""
        if (worker := await self._take_worker()) is not None:
            with contextlib.suppress(OSError):  # it has ended
                worker.link.shutdown(socket.SHUT_WR)
            self._input_ended, self._moved = True, self._loop.time()

    async def read(self) -> bytes:
        """Return the output so far, as soon as there is some; nothing at the end.

        Raises:
            BadAudioError: the output ended early, as the audio is at fault.
            ConversionFailedError: the output ended early, as the gateway is at fault.
        """
        await self._begun.wait()
        while self._end is None:
            if output := await self._receive():
                return output
        if self._failure is not None:
            raise self._failure
        return b""

    def give_up(self) -> None:
        """Have the worker killed, unless the conversion is over."""
        if self._end is None:
            self._finish(End.GIVEN_UP)

    async def close(self) -> None:
        """Give up, and wait until the worker is gone. Nobody may feed or read any more."""
        self.give_up()
        if self._worker is None:
            return
        try:
            await self._worker.gone()
        finally:
            self._worker.link.close()

    async def _take_worker(self) -> Worker | None:
        """Return the worker, which is taken now if it is the first time; None when it is over."""
        if self._worker is None and self._end is None:
            try:
                self._worker = await self._pool.worker(self._job, self._options)
            except ConversionFailedError:
                self._finish(End.FAILED)
            else:
                self._note_worker(self._worker)
        return self._worker if self._end is None else None

    def _note_worker(self, worker: Worker) -> None:
        """Note that there is a worker now; it was waited for, and all may be over."""
        if self._end is None:
            self._pool.stalls.add(self._check_stall)
            self._begun.set()
        else:
            worker.kill()

    async def _receive(self) -> bytes:
        """Return what the worker has sent by now, or note its end and return nothing."""
        assert self._worker is not None
        self._reading, self._moved = True, self._loop.time()
        try:
            came = await self._loop.sock_recv(self._worker.link, READ_BYTES)
        except ConnectionError:
            came = b""
        finally:
            self._reading, self._moved = False, self._loop.time()
        if not came:
            self._worker.kill()  # it may have closed its end, and live on
            self._note_death(await self._worker.gone())
            return b""
        self._frames.feed(came)
        try:
            return b"".join(self._output())
        except FrameError as error:
            log.error("a media worker sent nonsense: %s", error)
            self._finish(End.CRASHED)
            return b""

    def _output(self) -> Iterator[bytes]:
        """Yield the output of the frames that are complete, and note the end if it is there."""
        while self._end is None and (frame := self._frames.next()) is not None:
            self.seconds = frame.seconds
            if frame.kind is Kind.DATA:
                yield frame.payload
            else:
                self._note_end(frame)

    def _note_end(self, last: Frame) -> None:
        """Note what the worker's last frame tells."""
        match last.kind:
            case Kind.BAD_AUDIO:
                self._finish(End.BAD_AUDIO, BadAudioError(last.text()))
            case Kind.TOO_COSTLY:
                self._finish(End.TOO_COSTLY)
            case Kind.FAILED:
                log.error("converting (%s) failed: %s", self._job, last.text())
                self._finish(End.FAILED)
            case _:
                self._finish(End.DONE)

    def _note_death(self, status: int) -> None:
        """Note the end of a worker that had no last word; status as wait(2) has it, or LOST."""
        if self._end is not None:
            return
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
            self._finish(End.TOO_COSTLY)
            return
        log.error("a media worker (%s) %s", self._job, _how_it_ended(status))
        self._finish(End.CRASHED)

    def _check_stall(self, now: float) -> None:
        """End a worker that has something to do, does nothing, and is waited for."""
        is_its_turn = self._reading and (self._feeding or self._input_ended)
        if not is_its_turn or now - self._moved <= STALL_TIMEOUT:
            return
        assert self._worker is not None
        before, self._worked = self._worked, self._worker.processor_seconds()
        if self._worked - before > LEAST_WORK * STALL_TIMEOUT:
            self._moved = now  # what it may take of that has a limit of its own
        else:
            log.error("a media worker (%s) did nothing for %g s", self._job, STALL_TIMEOUT)
            self._finish(End.STALLED)

    def _finish(self, end: End, failure: Exception | None = None) -> None:
        """Note how it ended; its worker, if there was one, is killed."""
        if failure is None and (made := _FAILURES.get(end)) is not None:
            kind, text = made
            failure = kind(text)
        self._end, self._failure = end, failure
        self._pool.stalls.remove(self._check_stall)
        if self._worker is not None or end is End.FAILED:
            self._pool.on_end(end)
        if self._worker is not None:
            self._worker.kill()  # it may have said that it is done, and not be
            with contextlib.suppress(OSError):  # who feeds or reads is woken, whatever it does
                self._worker.link.shutdown(socket.SHUT_RDWR)
        self._begun.set()


def _how_it_ended(status: int) -> str:
    if status == LOST:
        return "ended with its server"
    if os.WIFSIGNALED(status):
        return f"was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with status {os.waitstatus_to_exitcode(status)}"
