"""Checks the clients' keys."""

from collections.abc import Sequence

from aiohttp import hdrs, web

from ..config.client_keys import ClientKeys
from ..endpoints import READ_METHODS
from ..exchange import EXCHANGE
from ..server.websocket_head import subprotocols
from . import Handler, Step

KEY_PROTOCOL = "openai-insecure-api-key."
"""What a subprotocol begins with that holds a key, by OpenAI's convention."""
FREE = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths for operators, which need no key."""


class CheckKey(Step):
    """Refuse a client without a known key with 401 (RFC 6750); note the client's name.

    Paths that begin with one of free, and pages, can be read without a key.
    """

    def __init__(
        self, keys: ClientKeys, free: Sequence[str] = (), pages: Sequence[str] = ()
    ) -> None:
        self._keys = keys
        self._free = tuple(free)
        self._pages = frozenset(pages)

    async def setup(self, app: web.Application) -> None:
        """Add the middleware, and watch the file of keys while app runs."""
        await super().setup(app)
        app.cleanup_ctx.append(self._keys.file.watching)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in FREE or self._is_free(request):
            return await handler(request)
        key = _key(request)
        if key is None:
            raise _refusal("this gateway wants a key; send Authorization: Bearer KEY\n", "")
        name = self._keys.name_of(key)
        if name is None:
            raise _refusal("this key is not known here\n", ', error="invalid_token"')
        if (exchange := request.get(EXCHANGE)) is not None:
            exchange.client.key = name
        return await handler(request)

    def _is_free(self, request: web.Request) -> bool:
        path = request.path
        free = path in self._pages or path.startswith(self._free)
        return free and request.method in READ_METHODS


def _key(request: web.Request) -> str | None:
    """Return the key that a client shows, if it does."""
    shown = request.headers.getall(hdrs.AUTHORIZATION, [])
    if not shown:
        return _key_in_protocol(request)
    scheme, _, key = shown[0].partition(" ")
    return key.strip() if len(shown) == 1 and scheme.lower() == "bearer" else None


def _key_in_protocol(request: web.Request) -> str | None:
    """Return the key among a websocket's subprotocols: pages in a browser can set no header."""
    for protocol in subprotocols(request):
        if protocol.startswith(KEY_PROTOCOL):
            return protocol.removeprefix(KEY_PROTOCOL)
    return None


def _refusal(text: str, error: str) -> web.HTTPException:
    challenge = f'Bearer realm="speech-gateway"{error}'
    return web.HTTPUnauthorized(text=text, headers={hdrs.WWW_AUTHENTICATE: challenge})
