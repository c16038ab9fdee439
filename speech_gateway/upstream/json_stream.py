"""Splits a stream into JSON objects, however it is divided into lines and pieces."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

OBJECT_LIMIT = 1024 * 1024
"""Bytes; a longer object is passed on as it comes, instead of being held."""

_BEGIN = re.compile(rb"\s*")
_STRUCTURE = re.compile(rb'["{}\[\]]')
_IN_STRING = re.compile(rb'["\\\n]')


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the stream: a whole object, or anything else."""

    data: bytes
    is_object: bool


class JsonObjects:
    """Splits a stream into top-level objects and what stands between them.

    Nothing is decoded: an object is what stands between balanced braces. White space is a part of
    its own; anything else is passed on up to the next newline.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        """Bytes of an object that is not complete, or that are undecided."""
        self._at = 0
        """How many of these bytes were scanned."""
        self._depth = 0
        self._in_string = False
        self._passing = False
        """Whether the bytes up to the next newline are no object."""

    @property
    def empty(self) -> bool:
        """Whether nothing is held, and the next byte may begin an object."""
        return not self._data and not self._passing

    def feed(self, piece: bytes) -> list[Part]:
        """Return the parts that are complete with piece; all parts joined are the stream."""
        self._data += piece
        return list(self._parts())

    def flush(self) -> bytes:
        """Return what is held at the stream's end: an incomplete object, or nothing."""
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
        """Take white space, and find out what follows it."""
        match = _BEGIN.match(self._data)
        assert match is not None
        if match.end() < len(self._data):
            if self._data[match.end()] == ord("{"):
                self._depth, self._at = 1, 1
            else:
                self._passing = True
        return self._take(match.end())

    def _line(self) -> Part:
        """Take bytes that are no object."""
        end = self._data.find(b"\n") + 1
        self._passing = not end
        return self._take(end or len(self._data))

    def _object(self) -> Part | None:
        """Take the current object, if it is complete."""
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
        """Take what is held as something else than an object."""
        end, self._at = self._at, 0
        self._depth, self._in_string = 0, False
        self._passing = not self._data.endswith(b"\n", 0, end)
        return self._take(end)

    def _take(self, size: int, *, is_object: bool = False) -> Part:
        data = bytes(self._data[:size])
        del self._data[:size]
        return Part(data, is_object)
