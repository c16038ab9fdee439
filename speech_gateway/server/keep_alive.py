"""Keep-alive: whether a client's connection may serve another request (RFC 9112, section 9.3)."""

from aiohttp import hdrs, web

from ..exchange import EXCHANGE


def decide_keep_alive(
    request: web.Request, response: web.StreamResponse, *, streamed: bool
) -> None:
    """Close the connection after response where it must be; to be called before ``prepare``.

    A streamed response does not tell its length, and its request's body may still be coming.
    """
    unread = not streamed and not request.content.is_eof()  # it would be read as a request
    unsized = streamed and request.version < (1, 1)  # the close is the end of the body
    # What follows an offer to switch protocols was thrown away by the parser, in part.
    offered = hdrs.UPGRADE in request.headers
    exchange = request.get(EXCHANGE)
    unwanted = exchange is not None and exchange.closes
    if unread or unsized or offered or unwanted:
        response.force_close()
