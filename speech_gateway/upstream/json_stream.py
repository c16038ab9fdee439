"""Finds the JSON objects in a stream, wherever its newlines are and however it is cut."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

OBJECT_LIMIT = 1024 * 1024
"""Bytes; what is longer passes as it comes, for it would have to be held."""

_BEGIN = re.compile(rb"\s*")
_STRUCTURE = re.compile(rb'["{}\[\]]')
_IN_STRING = re.compile(rb'["\\\n]')


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the stream: a whole object, or anything else as it came."""

    data: bytes
    is_object: bool


class JsonObjects:
    """Splits a stream into top-level objects and what stands between them.

    Nothing is decoded here: an object is what stands between balanced braces. White space is a part
    by itself; what begins otherwise passes up to its newline.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        """Of an object that has begun, or an undecided rest."""
        self._at = 0
        """How much of it was looked at."""
        self._depth = 0
        self._in_string = False
        self._passing = False
        """Whether what comes is no object, up to a newline."""

    @property
    def empty(self) -> bool:
        """Whether all that has come was returned, and the next byte may begin an object."""
        return not self._data and not self._passing

    def feed(self, piece: bytes) -> list[Part]:
        """Return what is complete now that piece has come; all parts joined are the stream."""
        self._data += piece
        return list(self._parts())

    def flush(self) -> bytes:
        """Return what is left at the stream's end: nothing, or an object that was cut."""
        rest = bytes(self._data)
        self._data.clear()
        return rest

    def _parts(self) -> Iterator[Part]:
        while self._data:
            if self._depth:
                part = self._object()
            elif self._passing:
                part = self._line()
            else:
                part = self._between()
            if part is None:
                return
            if part.data:
                yield part

    def _between(self) -> Part | None:
        """Take white space, and see what follows it."""
        match = _BEGIN.match(self._data)
        assert match is not None
        if match.end() < len(self._data):
            if self._data[match.end()] == ord("{"):
                self._depth, self._at = 1, 1
            else:
                self._passing = True
        return self._take(match.end())

    def _line(self) -> Part:
        """Take what is no object, as it comes."""
        end = self._data.find(b"\n") + 1
        self._passing = not end
        return self._take(end or len(self._data))

    def _object(self) -> Part | None:
        """Take the object that has begun, if its end has come."""
        while self._depth:
            pattern = _IN_STRING if self._in_string else _STRUCTURE
            match = pattern.search(self._data, self._at)
            if match is None:
                self._at = len(self._data)
                return self._give_up() if len(self._data) > OBJECT_LIMIT else None
            self._at = match.end()
            match match[0]:
                case b'"':
                    self._in_string = not self._in_string
                case b"\\":
                    if match.end() == len(self._data):
                        self._at = match.start()  # what it escapes is still to come
                        return None
                    self._at += 1
                case b"\n":  # not in a string of JSON (RFC 8259, section 7): this is no object
                    return self._give_up()
                case b"{" | b"[":
                    self._depth += 1
                case _:
                    self._depth -= 1
        if self._at > OBJECT_LIMIT:
            return self._give_up()
        end, self._at = self._at, 0
        return self._take(end, is_object=True)

    def _give_up(self) -> Part:
        """Take what was held for an object as something else."""
        end, self._at = self._at, 0
        self._depth, self._in_string = 0, False
        self._passing = not self._data.endswith(b"\n", 0, end)
        return self._take(end)

    def _take(self, size: int, *, is_object: bool = False) -> Part:
        data = bytes(self._data[:size])
        del self._data[:size]
        return Part(data, is_object)
