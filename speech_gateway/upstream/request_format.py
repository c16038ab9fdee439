"""Formats StreamKit's multipart oneshot call: the pipeline, then the media."""

from secrets import token_hex

from .. import __version__
from ..config.addresses import UpstreamAddress
from ..endpoints import Service
from ..pipelines import Pipeline
from ..trace_context import TraceContext, header_lines
from .tcp_segments import whole_characters

PROCESS = "/api/v1/process"


class CallTemplate:
    """The constant parts of the calls to one pipeline, built once."""

    def __init__(self, service: Service, pipeline: Pipeline, address: UpstreamAddress) -> None:
        boundary = token_hex(24)  # past guessing, so that no body can hold it
        self._head = (
            f"POST {address.base_path}{PROCESS} HTTP/1.1\r\n"
            f"Host: {address.host_header}\r\n"
            f"User-Agent: speech-gateway/{__version__}\r\n"
            "Accept-Encoding: identity\r\n"
            f"Content-Type: multipart/form-data; boundary={boundary}\r\n"
            f"X-StreamKit-Service: {service.name}\r\n"
        ).encode("latin-1")
        self.before_media = (
            f"--{boundary}\r\n"
            'Content-Disposition: form-data; name="config"\r\n\r\n'
            f"{pipeline.yaml}\r\n"
            f"--{boundary}\r\n"
            'Content-Disposition: form-data; name="media"; filename="media"\r\n'
            f"Content-Type: {service.media_type}\r\n\r\n"
        ).encode()
        self.after_media = f"\r\n--{boundary}--\r\n".encode()

    @staticmethod
    def own_headers(request_id: str, trace: TraceContext | None, authorization: str) -> bytes:
        """Return the header lines that differ from call to call; their values are known to be
        valid.

        Authorization is a whole line, or empty.
        """
        return f"X-Request-ID: {request_id}\r\n{header_lines(trace)}{authorization}".encode()

    def whole(self, own_headers: bytes, media: bytes) -> list[bytes]:
        """Return a call with complete media, in the pieces in which it is to be written.

        StreamKit decodes each of its reads separately, so a text that is not ASCII is written in
        pieces of whole characters, and no TCP segment cuts one.
        """
        length = len(self.before_media) + len(media) + len(self.after_media)
        framing = b"Content-Length: %d\r\n\r\n" % length
        opening = b"".join((self._head, own_headers, framing, self.before_media))
        if media.isascii():
            return [b"".join((opening, media, self.after_media))]
        return [opening, *whole_characters(media), self.after_media]

    def opening(self, own_headers: bytes) -> bytes:
        """Return the beginning of a live call, up to its media."""
        framing = b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        return b"".join((self._head, own_headers, framing, chunk(self.before_media)))

    def closing(self) -> bytes:
        """Return the end of a live call, after its media."""
        return chunk(self.after_media) + b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Return data as one chunk (RFC 9112, section 7.1)."""
    return b"%x\r\n%s\r\n" % (len(data), data)
