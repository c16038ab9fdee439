"""An upload's audio as the Opus that the backend takes: converted once, kept, and read again.

It is read again when a client tells the language behind the audio, or asks for words with their
times there, while that was being transcribed otherwise.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from tempfile import SpooledTemporaryFile

from aiohttp import web

from ...errors import FieldError
from ...media.audio_errors import BROKEN, BadAudioError, ConversionFailedError
from ...media.workers.conversion import Conversion
from ...tasks import cancel_and_wait
from .error_format import cannot_keep
from .transcription_form import FILE
from .uploads import READ_AT_ONCE, Upload

HELD_IN_MEMORY = 1024 * 1024
"""Bytes of converted audio that are held in memory; the rest is on disk."""
MAX_KEPT = 300 * 1024 * 1024
"""Bytes of converted audio that are kept; four hours, the most that is converted, have 250 MB."""
FIELDS_GRACE = 0.5
"""Seconds to wait for fields behind the audio before it is transcribed without them."""


class WrongWishError(Exception):
    """The audio is being transcribed otherwise than the client has asked for since."""


class Recording:
    """Converts an upload from the beginning of an ``async with`` block to its end."""

    def __init__(self, upload: Upload, conversion: Conversion) -> None:
        self._upload = upload
        self._conversion = conversion
        self._tasks: list[asyncio.Task[None]] = []
        self._kept: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(HELD_IN_MEMORY)  # noqa: SIM115
        self._size = 0
        self._ended = False
        self._failure: Exception | None = None
        self._changed = asyncio.Event()
        self.complete = asyncio.Event()
        """Set when the upload has ended, well or not: no field can follow."""
        self.committed = False
        """Whether the client was sent transcripts, so that nothing can change any more."""

    async def __aenter__(self) -> "Recording":
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await cancel_and_wait(*self._tasks)
        finally:
            with contextlib.suppress(OSError):  # a full disk fails again for what it has not taken
                self._kept.close()
            self._upload.close()

    async def begin(self) -> None:
        """Read up to the audio, and for a moment longer when the language was not told before it.

        Raises:
            web.HTTPException: what is wrong with the request so far.
        """
        await self._upload.begin()
        self._tasks = [asyncio.create_task(self._convert()), asyncio.create_task(self._keep())]
        if not self.wish_is_known:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIELDS_GRACE):
                    await self.complete.wait()

    @property
    def wish_is_known(self) -> bool:
        """Whether nothing else can be asked for, or is not expected to be."""
        return self.complete.is_set() or self._upload.fields.given("language")

    async def pieces(self, is_right: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Yield the converted audio from its beginning, as it comes; then all fields are known.

        Raises:
            WrongWishError: ``is_right`` says that something else was asked for.
            web.HTTPException: what is wrong with the upload.
        """
        at = 0
        while True:
            self._changed.clear()
            if self._failure is not None:
                raise self._failure
            if self.complete.is_set() and not is_right():
                raise self._wrong_wish()
            if at < self._size:
                piece = self._read(at)
                at += len(piece)
                yield piece
            elif self._ended:
                return
            else:
                await self._changed.wait()

    def _read(self, at: int) -> bytes:
        try:
            self._kept.seek(at)
            return self._kept.read(READ_AT_ONCE)
        except OSError as error:
            raise cannot_keep(error) from error

    def _wrong_wish(self) -> Exception:
        if self.committed:
            return FieldError("language", "must come before the file where stream is true")
        return WrongWishError()

    async def _convert(self) -> None:
        """Feed the upload to the conversion."""
        try:
            await self._conversion.feed_all(self._upload.audio())
        except Exception as error:  # noqa: BLE001 - raised where the audio is read
            self._fail(error)
        finally:
            self.complete.set()
            self._changed.set()

    async def _keep(self) -> None:
        """Keep what the conversion returns."""
        try:
            while piece := await self._conversion.read():
                self._kept.seek(self._size)
                self._kept.write(piece)
                self._size += len(piece)
                if self._size > MAX_KEPT:  # no honest worker makes so much
                    raise ConversionFailedError(BROKEN)
                self._changed.set()
            await self.complete.wait()
        except BadAudioError as error:
            self._fail(FieldError(FILE, str(error)))
        except ConversionFailedError as error:
            self._fail(web.HTTPInternalServerError(text=f"{error}\n"))
        except OSError as error:
            self._fail(cannot_keep(error))
        except Exception as error:  # noqa: BLE001 - raised where the audio is read
            self._fail(error)
        self._ended = True
        self._changed.set()

    def _fail(self, error: Exception) -> None:
        """Have error raised where the audio is read; the first error stands."""
        if self._failure is None:
            self._failure = error
        self._changed.set()
