"""Converts audio in a thread, with bounded buffers between the thread and the event loop."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future

import av.error

from .audio_errors import BROKEN, BadAudioError, ConversionFailedError

INPUT_LIMIT = 64 * 1024
OUTPUT_LIMIT = 256 * 1024
DAMAGED = "the audio is damaged, or of a kind that is not understood"
GIVEN_UP = "the conversion was given up"

log = logging.getLogger(__name__)


class _GivenUpError(Exception):
    """The conversion was given up."""


class Source:
    """The input of a conversion, as its thread reads it.

    When the conversion is given up, the input ends and nothing is raised here, as libav stands
    between this read and any handler. The next write raises.
    """

    def __init__(self, conversion: "Conversion") -> None:
        self._conversion = conversion

    def read(self, size: int = -1) -> bytes:
        """Wait for input; return some, at most size bytes, and nothing at the end."""
        return self._conversion._take_input(size)


Convert = Callable[[Source, Callable[[bytes], None]], None]


class Conversion:
    """One conversion, in a thread of pool, fed and read from the event loop.

    The lock guards the two buffers and the state. The thread waits for the lock; the event loop's
    side never does: it waits for events, which the thread has the loop set.
    """

    def __init__(self, convert: Convert, pool: Executor) -> None:
        self._convert = convert
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Condition()
        self._input = bytearray()
        self._output = bytearray()
        self._ended = False
        self._closed = False
        self._over = False
        self._failure: BadAudioError | ConversionFailedError | None = None
        self._room = asyncio.Event()
        self._ready = asyncio.Event()
        pool.submit(self._run).add_done_callback(self._finish)

    async def feed(self, piece: bytes) -> None:
        """Give piece to the thread, as soon as less than 64 KiB wait for it.

        Return at once when the conversion is over or given up. When cancelled, piece was not taken.
        """
        while True:
            with self._lock:
                if self._over or self._closed:
                    return
                if len(self._input) <= INPUT_LIMIT:
                    self._input += piece
                    self._lock.notify()
                    return
                self._room.clear()
            await self._room.wait()

    async def feed_all(self, pieces: AsyncIterator[bytes]) -> None:
        """Give all pieces to the thread, then end; when pieces raises, give up and raise that."""
        try:
            async for piece in pieces:
                await self.feed(piece)
        except BaseException:
            self.close()
            raise
        self.end()

    def end(self) -> None:
        """Say that no more input will come."""
        with self._lock:
            self._ended = True
            self._lock.notify()

    async def read(self) -> bytes:
        """Return the output so far, as soon as there is some; nothing at the end.

        Raises:
            BadAudioError: the output ended early, as the audio is at fault.
            ConversionFailedError: the output ended early, as the gateway is at fault.
        """
        while True:
            with self._lock:
                if self._output:
                    taken = bytes(self._output)
                    self._output.clear()
                    self._lock.notify()
                    return taken
                if self._failure is not None:
                    raise self._failure
                if self._over:
                    return b""
                self._ready.clear()
            await self._ready.wait()

    def close(self) -> None:
        """Give up, unless it is over: the thread ends at its next read or write."""
        with self._lock:
            if self._over:
                return
            self._closed = True
            self._failure = BadAudioError(GIVEN_UP)
            self._input.clear()
            self._output.clear()
            self._lock.notify()
        self._wake()

    def _run(self) -> BadAudioError | ConversionFailedError | None:
        """Run the conversion in the thread; return the error, if there was one."""
        try:
            if not self._closed:
                self._convert(Source(self), self._put_output)
        except (BadAudioError, ConversionFailedError) as error:
            return type(error)(str(error))  # without the frames that a traceback keeps
        except _GivenUpError:
            return None
        except av.error.FFmpegError:
            return BadAudioError(DAMAGED)
        except OSError as error:
            return self._gateway_failed("A conversion of audio failed: %s", error)
        except Exception as error:  # noqa: BLE001 - logged with its traceback
            return self._gateway_failed("A conversion of audio failed", exc_info=error)
        return None

    def _gateway_failed(
        self, message: str, *args: object, exc_info: BaseException | None = None
    ) -> ConversionFailedError:
        if not self._closed:
            log.error(message, *args, exc_info=exc_info)
        return ConversionFailedError(BROKEN)

    def _finish(self, done: "Future[BadAudioError | ConversionFailedError | None]") -> None:
        """Note the end; also called when the pool shuts down before the conversion began."""
        failure = ConversionFailedError(BROKEN) if done.cancelled() else done.result()
        with self._lock:
            self._over = True
            if self._failure is None:
                self._failure = failure
            self._input.clear()
        self._tell_loop()

    def _take_input(self, size: int) -> bytes:
        with self._lock:
            self._lock.wait_for(lambda: self._input or self._ended or self._closed)
            had = len(self._input)
            taken = bytes(self._input[:size] if size >= 0 else self._input)
            del self._input[: len(taken)]
            now_has_room = had > INPUT_LIMIT >= len(self._input)
        if now_has_room:
            self._tell_loop()
        return taken

    def _put_output(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            with self._lock:
                self._lock.wait_for(lambda: len(self._output) < OUTPUT_LIMIT or self._closed)
                if self._closed:
                    raise _GivenUpError
                first = not self._output
                room = OUTPUT_LIMIT - len(self._output)
                self._output += rest[:room]
                rest = rest[room:]
            if first:
                self._tell_loop()

    def _tell_loop(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop is closed, and nobody is left to convert for
            self._closed = True

    def _wake(self) -> None:
        self._room.set()
        self._ready.set()
