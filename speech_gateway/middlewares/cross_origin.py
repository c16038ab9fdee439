"""Decides which pages of other origins may use the gateway, and answers their preflights (CORS).

A browser sends a page's simple requests to anybody, and only keeps the answer from the page: a
text would be spoken all the same. So what a foreign page asks of an endpoint is refused, not just
hidden. (aiohttp-cors hides without refusing, takes no ``*`` routes, and has no private networks.)
"""

import re
from collections.abc import Set as AbstractSet

from aiohttp import hdrs, web

from ..config.origins import ANY, canonical
from ..endpoints import READ_METHODS
from ..exchange import EXCHANGE
from . import Handler, Step
from .request_log import REQUEST_ID_HEADER

EXPOSED = f"{REQUEST_ID_HEADER}, {hdrs.RETRY_AFTER}"
"""Headers of an answer that a page may read, beside those that it always may."""
MAX_AGE = "7200"
"""Seconds that a browser may keep a preflight's answer; Chromium keeps none for longer."""
MAX_HEADER_NAMES = 1024
"""Characters of the names that a preflight may ask for; OpenAI's SDK asks for some 300."""
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110, section 5.6.2
_TOKENS = re.compile(rf"{_TOKEN}([ \t]*,[ \t]*{_TOKEN})*")
_OTHER_SCHEME = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*:", re.ASCII | re.IGNORECASE)
_ASKS_FOR_PRIVATE = "Access-Control-Request-Private-Network"
_ALLOWS_PRIVATE = "Access-Control-Allow-Private-Network"


class CrossOrigin(Step):
    """Refuse pages of other origins than allowed with 403; have those of allowed ones served.

    Allowed are origins in their canonical form, or ``*``. Whoever sends no Origin is no page, and
    who has another scheme than the web's is an extension or a program: both pass.
    """

    def __init__(self, allowed: AbstractSet[str] = frozenset()) -> None:
        if wrong := [origin for origin in allowed if origin not in {ANY, canonical(origin)}]:
            raise ValueError(f"{', '.join(wrong)} is no origin in its canonical form")
        self._allowed = allowed

    async def setup(self, app: web.Application) -> None:
        """Add the middleware, and the headers of every answer, whoever gives it."""
        await super().setup(app)
        if self._allowed:
            app.on_response_prepare.append(self._mark)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if hdrs.ORIGIN not in request.headers:
            return await handler(request)
        sent = _sent_origin(request)
        if request.method == hdrs.METH_OPTIONS and (
            hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        ):
            if not self._allows(sent):
                raise _refusal(sent)
            return _preflight_answer(request)
        if request.get(EXCHANGE) is not None and not self._allows(sent):
            _check_own(request, sent)
        return await handler(request)

    def _allows(self, sent: str) -> bool:
        if ANY in self._allowed:
            return bool(sent)
        return canonical(sent) in self._allowed

    async def _mark(self, request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        # A cache must not give one origin's answer to another, nor one for nobody's page.
        headers[hdrs.VARY] = ", ".join([*headers.getall(hdrs.VARY, []), hdrs.ORIGIN])
        if hdrs.ORIGIN in request.headers and self._allows(sent := _sent_origin(request)):
            headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = ANY if ANY in self._allowed else sent
            headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED


def _sent_origin(request: web.Request) -> str:
    """Return the Origin as it was sent; nothing where there are several, as browsers send one."""
    sent = request.headers.getall(hdrs.ORIGIN)
    return sent[0] if len(sent) == 1 else ""


def _check_own(request: web.Request, sent: str) -> None:
    """Refuse a page that is not the gateway's own."""
    if _OTHER_SCHEME.match(sent):
        return
    origin = canonical(sent)
    # Only the browser can set this one (Fetch Metadata); behind a proxy the Host may be another.
    same_origin = request.headers.get("Sec-Fetch-Site") == "same-origin"
    if origin is None or not (same_origin or _is_own_host(request, origin)):
        raise _refusal(sent)


def _is_own_host(request: web.Request, origin: str) -> bool:
    """Return whether origin is the host that was asked, whoever ended TLS before the gateway."""
    scheme = origin.partition(":")[0]
    return canonical(f"{scheme}://{request.headers.get(hdrs.HOST, '')}") == origin


def _refusal(sent: str) -> web.HTTPException:
    origin = canonical(sent)
    if origin is None:
        return web.HTTPForbidden(
            text="the Origin header names no page; browsers send one scheme://host:port, or null\n"
        )
    return web.HTTPForbidden(
        text=f"pages of origin {origin} may not use this gateway; its operator can allow them with "
        f"--allow-origin {origin}\n"
    )


def _preflight_answer(request: web.Request) -> web.Response:
    """Return the answer that lets a page make the request that it asks about.

    A path where there is nothing has it too: else no page could read its 404.
    """
    exchange = request.get(EXCHANGE)
    methods = exchange.endpoint.methods if exchange is not None else READ_METHODS
    headers: dict[str, str] = {
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: ", ".join(methods),
        hdrs.ACCESS_CONTROL_MAX_AGE: MAX_AGE,
    }
    names = ", ".join(request.headers.getall(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, []))
    if len(names) <= MAX_HEADER_NAMES and _TOKENS.fullmatch(names):
        headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = names
    if request.headers.get(_ASKS_FOR_PRIVATE) == "true":
        headers[_ALLOWS_PRIVATE] = "true"
    return web.Response(status=web.HTTPNoContent.status_code, headers=headers)
