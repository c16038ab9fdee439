"""Removes StreamKit's wrapper from transcripts: ``{"Transcription": {...}}`` becomes ``{...}``."""

import json
import re

from ..errors import UpstreamError
from .json_stream import JsonObjects, Part

_OPENING = re.compile(r'\{\s*"Transcription"\s*:\s*(?=\{)')
_CLOSING = re.compile(r"\s*\}")
# Values are looked at only to find where they end.
_SCANNER = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=len)
BEFORE_TEXT = b"\xef\xbb\xbf \t\r\n\v\f"
"""A byte order mark, and white space."""
_HTML = re.compile(rb"(\xef\xbb\xbf)?\s*<")
_HTML_TYPE = re.compile(r"text/html|application/xhtml", re.IGNORECASE)
_LINE_END = re.compile(rb"[ \t\r]*\n?")


class Unwrapper:
    """Unwraps transcripts, however they are divided into pieces, and writes one a line.

    A line is sent with its transcript, and not with the newline that may follow, so that no
    transcript waits for the next. Everything else is passed on unchanged.
    """

    def __init__(self) -> None:
        self._objects = JsonObjects()
        self._line_ended = False
        """Whether the newline that comes next was sent already."""
        self._begun = False

    def feed(self, piece: bytes) -> bytes:
        """Return what can be passed on now that piece has come.

        Raises:
            UpstreamError: it is HTML.
        """
        if not self._begun and piece.strip(BEFORE_TEXT):
            refuse_html("", piece)
            self._begun = True
        if self._objects.empty and piece.endswith(b"\n"):
            # The usual case, for a tenth of the work: one whole line.
            inner = unwrap(piece[:-1])
            if len(inner) < len(piece) - 1:
                self._line_ended = False
                return inner + b"\n"
        return b"".join(map(self._pass_on, self._objects.feed(piece)))

    def flush(self) -> bytes:
        """Return what is left when the answer has ended."""
        return self._objects.flush()

    def _pass_on(self, part: Part) -> bytes:
        if part.is_object:
            inner = unwrap(part.data)
            self._line_ended = inner is not part.data
            return inner + b"\n" if self._line_ended else inner
        if not self._line_ended:
            return part.data
        match = _LINE_END.match(part.data)
        assert match is not None
        # White space behind a transcript may come in pieces; it goes up to the newline.
        self._line_ended = match.end() == len(part.data) and not match[0].endswith(b"\n")
        return part.data[match.end() :]


def refuse_html(content_type: str, beginning: bytes) -> None:
    """Raise UpstreamError for an answer that is HTML, by its type or by how it begins."""
    if _HTML_TYPE.match(content_type) or _HTML.match(beginning):
        raise UpstreamError("it answered HTML, where transcripts belong")


def unwrap(value: bytes) -> bytes:
    """Return the wrapped object byte for byte; any other value unchanged."""
    if b'"Transcription"' not in value:
        return value
    try:
        text = value.decode()
        opening = _OPENING.match(text)
        if opening is None:
            return value
        _, end = _SCANNER.raw_decode(text, opening.end())
    except (ValueError, RecursionError):
        return value
    if _CLOSING.fullmatch(text, end) is None:
        return value
    return text[opening.end() : end].encode()
