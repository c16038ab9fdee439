"""Reads a form while its file goes through a conversion, piece by piece."""

import asyncio
from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile

from ..client_body import ClientBody
from ..tasks import cancel_and_wait
from .conversion import Conversion, ConversionError
from .errors import FieldError
from .form import FILE, Form

HELD_IN_MEMORY = 1024 * 1024
"""Bytes of converted audio that are kept in memory to be sent once more; the rest is on disk."""
READ_AT_ONCE = 64 * 1024


class FormReader:
    """Takes the body into the form, and the form's file into the conversion.

    What comes out is kept when the language was not told before the file: it may follow.
    """

    def __init__(self, form: Form, body: ClientBody, conversion: Conversion) -> None:
        self._form = form
        self._body = body
        self._conversion = conversion
        self._reading: asyncio.Task[None] | None = None
        self._kept: SpooledTemporaryFile[bytes] | None = None

    async def __aenter__(self) -> "FormReader":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._conversion.close()
        if self._kept is not None:
            self._kept.close()
        if self._reading is not None:
            await cancel_and_wait(self._reading)

    async def file_begins(self) -> None:
        """Read up to the file, judge the fields before it, and go on reading meanwhile.

        Raises:
            web.HTTPException: what is wrong with the form.
        """
        while not self._form.file_begun:
            await self._advance()
        self._form.check()
        if not self._form.given("language"):
            self._kept = SpooledTemporaryFile(HELD_IN_MEMORY)  # noqa: SIM115 - closed with the form
        self._reading = asyncio.create_task(self._read())

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the converted audio as it comes; after its end the form is whole and right.

        Raises:
            web.HTTPException: what is wrong with the form, or with its file.
        """
        assert self._reading is not None
        try:
            while piece := await self._conversion.read():
                if self._kept is not None:
                    self._kept.write(piece)
                yield piece
        except ConversionError as error:
            if self._reading.done():
                await self._reading  # what was wrong with the form comes first
            raise FieldError(FILE, str(error)) from error
        await self._reading

    async def pieces_again(self) -> AsyncIterator[bytes]:
        """Yield once more what was kept."""
        if self._kept is None:
            return
        self._kept.seek(0)
        while piece := self._kept.read(READ_AT_ONCE):
            yield piece

    async def _read(self) -> None:
        language, stream = self._form.language, self._form.wants_events()
        try:
            await self._feed()
            while not self._form.ended:
                await self._advance()
                await self._feed()
            self._form.check()
            if stream and self._form.language != language:
                raise FieldError("language", "must come before the file where stream is true")
        except BaseException:
            self._conversion.close()
            raise
        self._conversion.end()

    async def _feed(self) -> None:
        if piece := self._form.take_file():
            await self._conversion.feed(piece)

    async def _advance(self) -> None:
        piece = await self._body.read()
        if not piece:
            self._form.finish()
        self._form.feed(piece)
