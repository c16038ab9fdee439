"""The form of ``POST /v1/audio/transcriptions``, read as it comes, its fields in any order."""

from dataclasses import dataclass, field

from aiohttp import web
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from .errors import FieldError
from .transcription_fields import TranscriptionFields

FILE = "file"
FIELD_LIMIT = 64 * 1024
"""Bytes of all fields beside the file; a prompt is the longest."""
MOST_PARTS = 64


@dataclass(slots=True)
class _Part:
    headers: dict[str, str] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)
    name: str = ""


class Form:
    """Takes the form's bytes; keeps its fields, and hands the file's bytes out as they come."""

    def __init__(self, content_type: str) -> None:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise web.HTTPBadRequest(text="the form must name its boundary in Content-Type\n")
        self.file_begun = False
        self.ended = False
        self.fields = TranscriptionFields()
        self._file = bytearray()
        self._size = 0
        self._parts = 0
        self._part = _Part()
        self._header = (bytearray(), bytearray())
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError:
            raise web.HTTPBadRequest(text="the form's boundary cannot be one\n") from None

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the form.

        Raises:
            web.HTTPException: 400 for what is no form, or a form with too much beside its file.
        """
        try:
            self._parser.write(piece)
        except FormParserError:
            raise web.HTTPBadRequest(
                text="the body is malformed; send multipart/form-data (RFC 7578)\n"
            ) from None
        if self._size > FIELD_LIMIT or self._parts > MOST_PARTS:
            raise web.HTTPBadRequest(
                text=f"the form has too much beside its file; at most {MOST_PARTS} fields and "
                f"{FIELD_LIMIT} bytes are taken\n"
            )

    def finish(self) -> None:
        """Take note that no more comes, though more was due; raises web.HTTPException."""
        if self.ended:
            raise FieldError(FILE, "must be the audio to transcribe")
        raise web.HTTPBadRequest(text="the form ended before its last boundary\n")

    def take_file(self) -> bytes:
        """Return what has come of the file since the last time."""
        taken = bytes(self._file)
        self._file.clear()
        return taken

    def _on_part_begin(self) -> None:
        self._part = _Part()
        self._parts += 1

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])
        self._size += end - start

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])
        self._size += end - start

    def _on_header_end(self) -> None:
        name, value = (half.decode("latin-1") for half in self._header)
        self._part.headers[name.lower()] = value
        for half in self._header:
            half.clear()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._part.headers.get("content-disposition", ""))
        self._part.name = options.get(b"name", b"").decode("utf-8", "replace")
        if self._part.name == FILE:
            if self.file_begun:
                raise FieldError(FILE, "must be one file")
            self.file_begun = True

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part.name == FILE:
            self._file += data[start:end]
        else:
            self._size += end - start
            self._part.data += data[start:end]

    def _on_part_end(self) -> None:
        if self._part.name != FILE:
            value = self._part.data.decode("utf-8", "replace")
            self.fields.add(self._part.name, value)

    def _on_end(self) -> None:
        self.ended = True
