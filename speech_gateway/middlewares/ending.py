"""Decides how an exchange ended, and turns whatever was raised into one answer or a break."""

import logging

from aiohttp import web

from ..exchange import CLIENT_LEFT, EXCHANGE, REQUEST_ID
from ..relay import break_off
from . import Handler, Step

log = logging.getLogger(__name__)


class EndExchange(Step):
    """See every answer out to its last byte, so that what is counted is what happened."""

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.get(EXCHANGE)
        code = CLIENT_LEFT
        try:
            response, refusal = await _answer(request, handler)
            if exchange is None or exchange.cut is None:
                code = await _send_whole(request, response)
        finally:
            if exchange is not None:
                exchange.code = exchange.cut or code
        if refusal is not None:
            raise refusal
        return response


async def _answer(
    request: web.Request, handler: Handler
) -> tuple[web.StreamResponse, web.HTTPException | None]:
    """Return what to send, and the exception it came as: aiohttp wants that raised again."""
    refusal: web.HTTPException
    try:
        return await handler(request), None
    except web.HTTPException as raised:
        refusal = raised
    except Exception:
        log.exception("request %s failed in the gateway", request[REQUEST_ID])
        if request.writer.output_size > 0:
            break_off(request, web.HTTPInternalServerError.status_code)
        refusal = web.HTTPInternalServerError(
            text=f"the gateway failed on this request; its log says why: {request[REQUEST_ID]}\n"
        )
    return refusal, refusal


async def _send_whole(request: web.Request, response: web.StreamResponse) -> int:
    """Send the rest of response; return its status, or 499 when the client did not stay for it."""
    if not request.content.is_eof():
        # What is left of the body would be read as the next request.
        response.force_close()
    try:
        await response.prepare(request)
        await response.write_eof()
    except ConnectionError:
        return CLIENT_LEFT
    return response.status
