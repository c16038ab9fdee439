"""Refuses heads that the parser accepts and RFC 9112 does not."""

import re

from aiohttp import HttpVersion, hdrs, web

from . import Handler, Step

SPOKEN = (HttpVersion(1, 0), HttpVersion(1, 1))
LARGEST_LENGTH = 2**63 - 1
"""Larger lengths may overflow in the parser."""
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+;=-]*)(:[0-9]{0,5})?")


class CheckHead(Step):
    """Refuse an ambiguous head, and close the connection: what follows it cannot be trusted."""

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = _refusal(request)
        if refusal is not None:
            refusal.force_close()
            raise refusal
        return await handler(request)


def _refusal(request: web.Request) -> web.HTTPException | None:
    headers = request.headers
    if request.version not in SPOKEN:
        return web.HTTPVersionNotSupported(text="this gateway speaks HTTP/1.1\n")
    if not all(_HOST.fullmatch(host) for host in headers.getall(hdrs.HOST, [])):
        return web.HTTPBadRequest(text="the Host header names no host\n")
    if hdrs.TRANSFER_ENCODING in headers:
        return _coding_refusal(request)
    length = headers.get(hdrs.CONTENT_LENGTH)
    if length is not None and int(length) > LARGEST_LENGTH:
        return web.HTTPRequestEntityTooLarge(
            LARGEST_LENGTH, int(length), text="no body is so long\n"
        )
    return None


def _coding_refusal(request: web.Request) -> web.HTTPException | None:
    """Return a refusal of Transfer-Encoding (RFC 9112, sections 6.1 and 6.3), if it is wrong."""
    codings = ",".join(request.headers.getall(hdrs.TRANSFER_ENCODING)).strip(" \t").lower()
    if request.version < (1, 1) or hdrs.CONTENT_LENGTH in request.headers or not codings:
        return web.HTTPBadRequest(
            text="the body's length is given in two ways, or in none that HTTP/1.0 knows\n"
        )
    if codings != "chunked":
        return web.HTTPNotImplemented(text="the only Transfer-Encoding taken is chunked\n")
    return None
