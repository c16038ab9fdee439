"""Checks the media type of a request."""

from aiohttp import hdrs, web

from ..endpoints import Endpoint
from ..exchange import EXCHANGE
from . import Handler, Step


class CheckContentType(Step):
    """Refuse other media types than the endpoint's, and any content coding, with 415."""

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if (exchange := request.get(EXCHANGE)) is not None:
            _check(request, exchange.endpoint)
        return await handler(request)


def _check(request: web.Request, endpoint: Endpoint) -> None:
    media_type = request.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if media_type != endpoint.media_type and media_type not in endpoint.assumed_types:
        raise web.HTTPUnsupportedMediaType(
            text=f"{endpoint.path} takes Content-Type: {endpoint.media_type}\n"
        )
    if hdrs.CONTENT_ENCODING in request.headers and _is_encoded(request):
        raise web.HTTPUnsupportedMediaType(
            text=f"{endpoint.path} takes plain {endpoint.noun}; send no Content-Encoding\n"
        )


def _is_encoded(request: web.Request) -> bool:
    codings = ",".join(request.headers.getall(hdrs.CONTENT_ENCODING)).lower().split(",")
    return bool({coding.strip() for coding in codings} - {"", "identity"})
