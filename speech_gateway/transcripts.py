"""Takes StreamKit's wrapper off transcripts: ``{"Transcription": {...}}`` becomes ``{...}``."""

import json
import re

LINE_LIMIT = 1024 * 1024
"""Bytes; a longer line is no transcript, and passes as it comes."""

_OPENING = re.compile(r'\s*\{\s*"Transcription"\s*:\s*(?=\{)')
_CLOSING = re.compile(r"\s*\}\s*")
# Values are looked at only to find where they end.
_SCANNER = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=len)


class Unwrapper:
    """Unwraps lines that come in pieces, several at once, or both."""

    def __init__(self) -> None:
        self._partial = bytearray()
        self._passing = False
        """Whether the line that is coming has proven too long to be a transcript."""

    def feed(self, piece: bytes) -> bytes:
        """Return what can be passed on now that piece has come."""
        if b"\n" not in piece:
            return self._hold(piece)
        lines, _, rest = piece.rpartition(b"\n")
        first, *others = lines.split(b"\n")
        out = [self._end_line(first)]
        out.extend(unwrap(line) + b"\n" for line in others)
        out.append(self._hold(rest))
        return b"".join(out)

    def flush(self) -> bytes:
        """Return what is left when the answer has ended, perhaps without a last newline."""
        last = bytes(self._partial)
        self._partial.clear()
        return unwrap(last)

    def _end_line(self, piece: bytes) -> bytes:
        if self._passing:
            self._passing = False
            return piece + b"\n"
        line = bytes(self._partial) + piece
        self._partial.clear()
        return unwrap(line) + b"\n"

    def _hold(self, piece: bytes) -> bytes:
        if self._passing:
            return piece
        self._partial += piece
        if len(self._partial) <= LINE_LIMIT:
            return b""
        self._passing = True
        passed = bytes(self._partial)
        self._partial.clear()
        return passed


def unwrap(line: bytes) -> bytes:
    """Return the wrapped object byte for byte, with its line's end; any other line unchanged."""
    if b'"Transcription"' not in line or len(line) > LINE_LIMIT:
        return line
    try:
        text = line.decode()
        opening = _OPENING.match(text)
        if opening is None:
            return line
        _, end = _SCANNER.raw_decode(text, opening.end())
    except (ValueError, RecursionError):
        return line
    if _CLOSING.fullmatch(text, end) is None:
        return line
    ending = "\r" if text.endswith("\r") else ""
    return (text[opening.end() : end] + ending).encode()
