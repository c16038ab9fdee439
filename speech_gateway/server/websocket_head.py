"""The head of a websocket's handshake (RFC 6455, section 4)."""

from aiohttp import hdrs, web


def subprotocols(request: web.Request) -> list[str]:
    """Return the subprotocols that a client offers, the one that it likes best first."""
    offered = ",".join(request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, []))
    return [protocol.strip() for protocol in offered.split(",") if protocol.strip()]
