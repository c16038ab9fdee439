"""Parses an upstream's HTTP/1.1 responses, with llhttp."""

from dataclasses import dataclass, field

import httptools

from ..errors import UpstreamError

HEAD_LIMIT = 64 * 1024
SWITCHING_PROTOCOLS = 101


@dataclass(slots=True)
class ResponseHead:
    """A response's status and header fields, names in lower case."""

    status: int = 0
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def framed(self) -> bool:
        """Whether the end of the body can be told from a broken connection."""
        coding = self.fields.get("transfer-encoding", "").lower()
        return "content-length" in self.fields or coding.endswith("chunked") or self.status == 204


class ResponseParser:
    """Parses one response; interim ones (1xx) before it are skipped."""

    def __init__(self) -> None:
        self.head = ResponseHead()
        self.has_head = False
        self.complete = False
        self.persistent = False
        """Whether the upstream keeps the connection open for another request."""
        self.head_bytes = 0
        self.pieces: list[bytes] = []
        """Pieces of the body that were not taken yet."""
        self.on_body = self.pieces.append  # a call to C: hundreds a second and stream pass here
        self._whole = 0
        """How many of the pieces belong to the response, once it is complete."""
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Parse data.

        Raises:
            UpstreamError: it is malformed, or no answer to a plain request.
        """
        if self._parser is None:
            return
        if not self.has_head:
            self.head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserUpgrade, httptools.HttpParserError) as error:
            self.persistent = False
            if not self.complete:
                raise UpstreamError(f"the upstream speaks no plain HTTP: {error!r}") from None
        if self.complete:
            del self.pieces[self._whole :]  # what follows the answer is nobody's
        elif not self.has_head and self.head_bytes > HEAD_LIMIT:
            raise UpstreamError(f"the upstream's head is over {HEAD_LIMIT} bytes")

    def take(self) -> bytes:
        """Return the body since the last call."""
        pieces = self.pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._whole = 0
        return data

    def close(self) -> None:
        """Drop the parser, which refers to this object: a reference cycle."""
        self._parser = None

    # what the parser calls

    def on_message_begin(self) -> None:
        self.persistent = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.has_head:
            self.head.fields[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        if self.complete:
            return
        status = self._parser.get_status_code()
        if status < 200 and status != SWITCHING_PROTOCOLS:
            self.head.fields.clear()
            return
        self.head.status = status
        self.has_head = True

    def on_message_complete(self) -> None:
        assert self._parser is not None
        # An interim answer is a message of its own; what follows the real one is not ours.
        if self.has_head and not self.complete:
            self.complete = True
            self._whole = len(self.pieces)
            self.persistent = self._parser.should_keep_alive()
