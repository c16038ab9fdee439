"""The form of ``POST /v1/audio/transcriptions``, read as it comes, its fields in any order."""

import re
from dataclasses import dataclass, field

from aiohttp import web
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from .errors import FieldError

FILE = "file"
FIELD_LIMIT = 64 * 1024
"""Bytes of all fields beside the file; a prompt is the longest."""
MOST_PARTS = 64
FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_TRUE, _FALSE = ("true", "1", "True"), ("false", "0", "False", "")


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
        self._fields: dict[str, list[str]] = {}
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
            self._fields.setdefault(self._part.name, []).append(value)

    def _on_end(self) -> None:
        self.ended = True
