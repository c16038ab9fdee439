"""Reads the form of ``POST /v1/audio/transcriptions`` as it comes, its fields in any order."""

from aiohttp import web

from ...errors import FieldError
from ...server.multipart import Event, MultipartError, MultipartReader, PartBegin, PartData
from .transcription_fields import TranscriptionFields

FILE = "file"
FIELD_LIMIT = 64 * 1024
"""Bytes of all fields beside the file; a prompt is the largest."""
MAX_PARTS = 64


class TranscriptionForm:
    """Parses the form's bytes: keeps the fields, and returns the file's bytes as they come."""

    def __init__(self, content_type: str) -> None:
        try:
            self._multipart = MultipartReader(content_type)
        except MultipartError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from None
        self.file_begun = False
        self.fields = TranscriptionFields()
        self._file = bytearray()
        self._size = 0
        self._parts = 0
        self._name = ""
        self._value = bytearray()

    @property
    def ended(self) -> bool:
        """Whether the form's last boundary has come."""
        return self._multipart.ended

    @property
    def file_is_empty(self) -> bool:
        """Whether there is nothing of the file that was not taken."""
        return not self._file

    def feed(self, piece: bytes) -> None:
        """Parse the next bytes of the form.

        Raises:
            web.HTTPException: 400 for what is no form, or a form with too much beside its file.
        """
        try:
            for event in self._multipart.feed(piece):
                self._take(event)
        except MultipartError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from None

    def finish(self) -> None:
        """Refuse a form that ended too early; raises web.HTTPException."""
        try:
            self._multipart.finish()
        except MultipartError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from None
        raise FieldError(FILE, "must be the audio to transcribe")

    def take_file(self) -> bytes:
        """Return the bytes of the file since the last call."""
        taken = bytes(self._file)
        self._file.clear()
        return taken

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
        if self._size > FIELD_LIMIT or self._parts > MAX_PARTS:
            raise web.HTTPBadRequest(
                text=f"the form has too much beside its file; at most {MAX_PARTS} fields and "
                f"{FIELD_LIMIT} bytes are taken\n"
            )

    def _end(self) -> None:
        if self._name != FILE:
            self.fields.add(self._name, self._value.decode("utf-8", "replace"))
