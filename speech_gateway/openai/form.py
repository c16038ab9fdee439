"""The form of ``POST /v1/audio/transcriptions``, read as it comes, its fields in any order."""

import re

from aiohttp import web

from ..multipart import Event, MultipartError, MultipartReader, PartBegin, PartData
from .errors import FieldError

FILE = "file"
FIELD_LIMIT = 64 * 1024
"""Bytes of all fields beside the file; a prompt is the longest."""
MOST_PARTS = 64
FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_TRUE, _FALSE = ("true", "1", "True"), ("false", "0", "False", "")


class Form:
    """Takes the form's bytes; keeps its fields, and hands the file's bytes out as they come."""

    def __init__(self, content_type: str) -> None:
        try:
            self._multipart = MultipartReader(content_type)
        except MultipartError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from None
        self.file_begun = False
        self._fields: dict[str, list[str]] = {}
        self._file = bytearray()
        self._size = 0
        self._parts = 0
        self._name = ""
        self._value = bytearray()

    @property
    def ended(self) -> bool:
        """Whether the form's last boundary has come."""
        return self._multipart.ended

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the form.

        Raises:
            web.HTTPException: 400 for what is no form, or a form with too much beside its file.
        """
        try:
            for event in self._multipart.feed(piece):
                self._take(event)
        except MultipartError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from None

    def finish(self) -> None:
        """Take note that no more comes, though more was due; raises web.HTTPException."""
        try:
            self._multipart.finish()
        except MultipartError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from None
        raise FieldError(FILE, "must be the audio to transcribe")

    def take_file(self) -> bytes:
        """Return what has come of the file since the last time."""
        taken = bytes(self._file)
        self._file.clear()
        return taken

    def given(self, name: str) -> bool:
        """Return whether a field has come."""
        return name in self._fields

    @property
    def language(self) -> str | None:
        """The language spoken, when it was told (ISO 639)."""
        language = self._one("language")
        if language and not _LANGUAGE.fullmatch(language):
            raise FieldError("language", "must be a code of ISO 639, like en")
        return language or None

    def wants_events(self) -> bool:
        """Whether transcripts are wanted as events, as they come."""
        value = self._one("stream")
        if value not in (*_TRUE, *_FALSE):
            raise FieldError("stream", "must be true or false")
        return value in _TRUE

    @property
    def response_format(self) -> str:
        """One of FORMATS."""
        value = self._one("response_format") or FORMATS[0]
        if value not in FORMATS:
            raise FieldError("response_format", f"must be one of {', '.join(FORMATS)}")
        return value

    def check(self) -> None:
        """Judge the fields that have come so far; raises web.HTTPException."""
        _ = self.language, self.wants_events(), self.response_format
        temperature = self._one("temperature") or "0"
        try:
            number = float(temperature)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1:
            raise FieldError("temperature", "must be a number from 0 to 1")
        name = "timestamp_granularities[]"
        if set(self._fields.get(name, ())) - {"segment"}:
            raise FieldError(name, "must be segment; the times of words are not known here")

    def _one(self, name: str) -> str:
        values = self._fields.get(name, [""])
        if len(values) > 1:
            raise FieldError(name, "must be given once")
        return values[0].strip()

    def _take(self, event: Event) -> None:
        if isinstance(event, PartBegin):
            self._begin(event)
        elif not isinstance(event, PartData):
            self._end()
        elif self._name == FILE:
            self._file += event.data
        else:
            self._grow(len(event.data))
            self._value += event.data

    def _begin(self, part: PartBegin) -> None:
        self._parts += 1
        self._grow(part.size)
        self._name = part.name
        self._value = bytearray()
        if part.name == FILE:
            if self.file_begun:
                raise FieldError(FILE, "must be one file")
            self.file_begun = True

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > FIELD_LIMIT or self._parts > MOST_PARTS:
            raise web.HTTPBadRequest(
                text=f"the form has too much beside its file; at most {MOST_PARTS} fields and "
                f"{FIELD_LIMIT} bytes are taken\n"
            )

    def _end(self) -> None:
        if self._name != FILE:
            value = self._value.decode("utf-8", "replace")
            self._fields.setdefault(self._name, []).append(value)
