"""Checks the clients' keys."""

from collections.abc import Sequence

from aiohttp import hdrs, web

from ..config.client_keys import ClientKeys
from ..endpoints import READ_METHODS
from ..exchange import EXCHANGE
from . import Handler, Step

FREE = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths for operators, which need no key."""


class CheckKey(Step):
    """Refuse a client without a known key with 401 (RFC 6750); note the client's name.

    Paths that begin with one of free can be read without a key.
    """

    def __init__(self, keys: ClientKeys, free: Sequence[str] = ()) -> None:
        self._keys = keys
        self._free = tuple(free)

    async def setup(self, app: web.Application) -> None:
        """Add the middleware, and watch the file of keys while app runs."""
        await super().setup(app)
        app.cleanup_ctx.append(self._keys.file.watching)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in FREE or self._is_free(request):
            return await handler(request)
        shown = request.headers.getall(hdrs.AUTHORIZATION, [])
        scheme, _, key = shown[0].partition(" ") if len(shown) == 1 else ("", "", "")
        if scheme.lower() != "bearer":
            raise _refusal("this gateway wants a key; send Authorization: Bearer KEY\n", "")
        name = self._keys.name_of(key.strip())
        if name is None:
            raise _refusal("this key is not known here\n", ', error="invalid_token"')
        if (exchange := request.get(EXCHANGE)) is not None:
            exchange.client.key = name
        return await handler(request)

    def _is_free(self, request: web.Request) -> bool:
        return request.method in READ_METHODS and request.path.startswith(self._free)


def _refusal(text: str, error: str) -> web.HTTPException:
    challenge = f'Bearer realm="speech-gateway"{error}'
    return web.HTTPUnauthorized(text=text, headers={hdrs.WWW_AUTHENTICATE: challenge})
