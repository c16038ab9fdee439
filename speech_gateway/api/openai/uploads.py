"""Audio to be transcribed, as a client sends it: in a form or in JSON."""

import asyncio
import base64
import binascii
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from typing import IO, Any, Protocol

from aiohttp import web

from ...errors import FieldError
from ...server.request_body import RequestBody, too_large
from .error_format import cannot_keep
from .transcription_fields import TranscriptionFields
from .transcription_form import TranscriptionForm

READ_AT_ONCE = 64 * 1024
JSON_AUDIO = "input_audio"
MAX_VALUES = 10_000
"""Commas and brackets, which base64 has none of: each may become an object of 60 bytes or more."""


class Upload(Protocol):
    """Audio that comes, and the fields of its request."""

    fields: TranscriptionFields

    async def begin(self) -> None:
        """Read up to the audio.

        Raises:
            web.HTTPException: what is wrong with the request.
        """

    def audio(self) -> AsyncIterator[bytes]:
        """Yield the audio as it comes; after it all fields are known. Raises as begin does."""

    def close(self) -> None:
        """Release what is held."""


class FormUpload:
    """A form with a file; its fields may stand before or after the file."""

    def __init__(self, form: TranscriptionForm, body: RequestBody, max_bytes: int) -> None:
        self.fields = form.fields
        self._form = form
        self._body = body
        self._max_bytes = max_bytes
        self._taken = 0

    async def begin(self) -> None:
        """Read up to the first byte of the file, and check the fields before it."""
        while not self._form.file_begun or (self._form.file_is_empty and not self._form.ended):
            await self._advance()
        self.fields.check()

    async def audio(self) -> AsyncIterator[bytes]:
        """Yield the file as it comes, and read the fields after it."""
        while True:
            if piece := self._form.take_file():
                self._taken += len(piece)
                if self._taken > self._max_bytes:
                    raise too_large(self._max_bytes)
                yield piece
            if self._form.ended:
                break
            await self._advance()
        self.fields.check()

    def close(self) -> None:
        """Do nothing: only memory is held."""

    async def _advance(self) -> None:
        piece = await self._body.read()
        if not piece:
            self._form.finish()
        self._form.feed(piece)


class JsonUpload:
    """``{"model": ..., "input_audio": {"data": BASE64, "format": ...}}``.

    It is parsed in a thread when all of it has come. Lock lets one be parsed at a time, as
    parsing takes several times its size in memory.
    """

    def __init__(self, body: RequestBody, max_bytes: int, lock: asyncio.Lock) -> None:
        self.fields = TranscriptionFields()
        self._body = body
        self._max_bytes = max_bytes
        self._lock = lock
        self._audio: IO[bytes] | None = None

    async def begin(self) -> None:
        """Read all of it, and check the fields."""
        try:
            document = await self._read()
        except OSError as error:
            raise cannot_keep(error) from error
        self.fields.values.update(TranscriptionFields.from_json(document).values)
        self.fields.check()

    async def _read(self) -> Mapping[str, object]:
        with tempfile.TemporaryFile() as raw:
            while piece := await self._body.read():
                raw.write(piece)
            async with self._lock:
                # Not among the conversions' threads: each may wait for what is parsed here.
                document, self._audio = await asyncio.to_thread(parse, raw, self._max_bytes)
        return document

    async def audio(self) -> AsyncIterator[bytes]:
        """Yield the audio."""
        while piece := self._read_audio():
            yield piece

    def _read_audio(self) -> bytes:
        assert self._audio is not None
        try:
            return self._audio.read(READ_AT_ONCE)
        except OSError as error:
            raise cannot_keep(error) from error

    def close(self) -> None:
        """Remove the audio."""
        if self._audio is not None:
            self._audio.close()


def parse(raw: IO[bytes], max_bytes: int) -> tuple[dict[str, Any], IO[bytes]]:
    """Return the JSON object in raw, without its audio, and the audio in a file.

    Raises:
        web.HTTPException: 400 for what is no such object, 413 for audio over max_bytes.
    """
    raw.seek(0)
    body = raw.read()
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:
        raise web.HTTPBadRequest(text="the body has too many values beside its audio\n")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise web.HTTPBadRequest(text="the body must be a JSON object, in UTF-8, or a form\n")
    audio = document.pop(JSON_AUDIO, None)
    data = audio.get("data") if isinstance(audio, dict) else None
    if not isinstance(data, str):
        raise FieldError(JSON_AUDIO, 'must be {"data": BASE64, "format": "wav"}')
    try:
        decoded = base64.b64decode("".join(_encoded(data).split()), validate=True)
    except (binascii.Error, ValueError):
        raise FieldError(JSON_AUDIO, "must hold data in base64") from None
    if not decoded:
        raise FieldError(JSON_AUDIO, "must hold the audio to transcribe")
    if len(decoded) > max_bytes:
        raise too_large(max_bytes)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - who reads it closes it
    file.write(decoded)
    file.seek(0)
    return document, file


def _encoded(data: str) -> str:
    """Return the base64 in a data URL (RFC 2397), or data itself; it may be broken into lines."""
    return data.partition(",")[2] if data.startswith("data:") else data
