"""Decides how an exchange ended, and turns whatever was raised into one answer or a break."""

import asyncio
import logging

from aiohttp import web

from ..client_side import break_off
from ..exchange import CLIENT_LEFT, EXCHANGE, REQUEST_ID, Exchange
from ..persistence import decide_persistence
from . import Handler, Step

log = logging.getLogger(__name__)


class EndExchange(Step):
    """See every answer out to its last byte, so that what is counted is what happened.

    A client that takes nothing of it for timeout seconds is broken off.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.get(EXCHANGE)
        try:
            response, refusal = await _answer(request, handler, exchange)
            # A streamed answer that has ended was seen out by the relay.
            if exchange is None or (exchange.cut is None and exchange.code == CLIENT_LEFT):
                await self._send_whole(request, response)
        finally:
            if exchange is not None and exchange.cut is not None:
                exchange.code = exchange.cut
        if refusal is not None:
            raise refusal
        return response

    async def _send_whole(self, request: web.Request, response: web.StreamResponse) -> None:
        """Send what is left to send of response, unless the client does not stay for it."""
        if request.transport is None or request.transport.is_closing():
            return
        decide_persistence(request, response, streamed=response.prepared)
        exchange = request.get(EXCHANGE)
        try:
            async with asyncio.timeout(self._timeout):
                await response.prepare(request)
                await response.write_eof()
        except ConnectionError:
            log.debug("the client of %s left before its answer", request[REQUEST_ID])
        except TimeoutError:
            if exchange is not None:
                exchange.explain(f"the client took nothing for {self._timeout:g} s")
            break_off(request, CLIENT_LEFT)
        else:
            if exchange is not None:
                exchange.code = response.status


async def _answer(
    request: web.Request, handler: Handler, exchange: Exchange | None
) -> tuple[web.StreamResponse, web.HTTPException | None]:
    """Return what to send, and the exception it came as: aiohttp wants that raised again."""
    try:
        return await handler(request), None
    except web.HTTPException as raised:
        refusal = raised
        if request.writer.output_size > 0:
            break_off(request, refusal.status)
    except Exception:
        log.exception("request %s failed in the gateway", request[REQUEST_ID])
        if request.writer.output_size > 0:
            break_off(request, web.HTTPInternalServerError.status_code)
        refusal = web.HTTPInternalServerError(
            text=f"the gateway failed on this request; its log says why: {request[REQUEST_ID]}\n"
        )
    if exchange is not None:
        exchange.explain(refusal.text or refusal.reason)
        return _phrased(exchange.endpoint.phrase(refusal))
    return refusal, refusal


def _phrased(response: web.Response) -> tuple[web.Response, web.HTTPException | None]:
    return response, response if isinstance(response, web.HTTPException) else None
