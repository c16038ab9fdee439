"""Finds the client's address behind trusted proxies."""

from collections.abc import Sequence
from ipaddress import IPv4Address

from aiohttp import hdrs, web
from aiohttp_remotes import XForwardedStrict
from aiohttp_remotes.exceptions import RemoteError, TooManyHeaders
from aiohttp_remotes.utils import remote_ip
from multidict import MultiMapping

from ..config.addresses import Address, Network, parse_address
from ..exchange import EXCHANGE
from . import Handler

LOCAL = IPv4Address("127.0.0.1")
"""The address of a peer on a unix socket, which has none and is on this machine."""


class Forwarded(XForwardedStrict):
    """Take the client's address from ``X-Forwarded-For``, if the request passed just the trusted
    hops.

    The connection comes from the first hop; the header's last entry is the second, and so on; the
    address behind the last hop is the client's. Other requests get 400: with a header that is
    forged, missing, or has too many entries.
    """

    def __init__(self, hops: Sequence[Sequence[Network]]) -> None:
        super().__init__(hops)

    def get_forwarded_for(self, headers: MultiMapping[str]) -> list[Address]:
        """Return the header's addresses; unlike the base class, accept ports.

        Raises:
            TooManyHeaders: there is more than one header.
            web.HTTPBadRequest: an entry is no address.
        """
        values = headers.getall(hdrs.X_FORWARDED_FOR, [])
        if len(values) > 1:
            raise TooManyHeaders(hdrs.X_FORWARDED_FOR)
        try:
            return [parse_address(entry.strip()) for value in values for entry in value.split(",")]
        except ValueError:
            raise web.HTTPBadRequest from None

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.get(EXCHANGE)
        if exchange is None:  # who looks after the gateway comes directly
            return await handler(request)
        try:
            ips = [_peer(request), *reversed(self.get_forwarded_for(request.headers))]
            exchange.client.address = str(remote_ip(self._trusted, ips))
        except (RemoteError, web.HTTPBadRequest):
            raise web.HTTPBadRequest(
                text="this gateway is to be reached through its proxy, which tells the client's "
                "address in X-Forwarded-For\n"
            ) from None
        return await handler(request.clone(remote=exchange.client.address))


def _peer(request: web.Request) -> Address:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return parse_address(peer[0]) if peer else LOCAL
