"""Decides the outcome of an exchange: turns whatever was raised into one answer or a break."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from aiohttp import hdrs, web

from ..exchange import CLIENT_LEFT, EXCHANGE, REQUEST_ID, Exchange
from ..server.aiohttp_internals import answer_has_begun
from ..server.keep_alive import decide_keep_alive
from ..server.response_writer import break_off
from . import Handler, Step
from .retry_after import retry_after

FormatError = Callable[[web.Response], web.Response]
"""Returns a refusal in the form that an API's clients read."""
BACKENDS_FAULTS = (web.HTTPBadGateway.status_code, web.HTTPGatewayTimeout.status_code)

log = logging.getLogger(__name__)


class DecideOutcome(Step):
    """Send every answer to its last byte, so that the outcome is what really happened.

    A client that takes no byte for timeout seconds is broken off. Refusals are in the form of the
    endpoint's API; other paths' in that of the API whose prefix in error_formats they have. Where
    the backend has failed, they say when to come back: in as many seconds as seconds_to_retry
    returns, about.
    """

    def __init__(
        self,
        timeout: float,
        error_formats: Mapping[str, FormatError],
        seconds_to_retry: Callable[[], float],
    ) -> None:
        self._timeout = timeout
        self._error_formats = error_formats
        self._seconds_to_retry = seconds_to_retry

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.get(EXCHANGE)
        response, refusal = await self._answer(request, handler, exchange)
        # A streamed answer that has ended was seen out by the relay.
        if exchange is None or exchange.outcome is None:
            await self._send_whole(request, response)
        if refusal is not None:
            raise refusal
        return response

    async def _send_whole(self, request: web.Request, response: web.StreamResponse) -> None:
        """Send what was not sent of response, unless the client has disconnected."""
        if request.transport is None or request.transport.is_closing():
            return
        decide_keep_alive(request, response, streamed=response.prepared)
        exchange = request.get(EXCHANGE)
        try:
            async with asyncio.timeout(self._timeout):
                await response.prepare(request)
                await response.write_eof()
        except ConnectionError:
            log.debug("the client of %s left before its answer", request[REQUEST_ID])
        except TimeoutError:
            break_off(request, CLIENT_LEFT, f"the client took nothing for {self._timeout:g} s")
        else:
            if exchange is not None:
                exchange.end(response.status)
                if response.status < web.HTTPBadRequest.status_code:
                    _count_body(exchange, response)

    async def _answer(
        self, request: web.Request, handler: Handler, exchange: Exchange | None
    ) -> tuple[web.StreamResponse, web.HTTPException | None]:
        """Return the answer to send, and the exception that aiohttp wants raised for it, if any."""
        try:
            return await handler(request), None
        except web.HTTPException as raised:
            refusal = raised
            if answer_has_begun(request):
                break_off(request, refusal.status)
        except Exception:
            log.exception("request %s failed in the gateway", request[REQUEST_ID])
            if answer_has_begun(request):
                break_off(request, web.HTTPInternalServerError.status_code)
            refusal = web.HTTPInternalServerError(
                text="the gateway failed on this request; its log says why: "
                f"{request[REQUEST_ID]}\n"
            )
        if exchange is not None:
            exchange.explain(refusal.text or refusal.reason)
            if refusal.status in BACKENDS_FAULTS and hdrs.RETRY_AFTER not in refusal.headers:
                refusal.headers.update(retry_after(self._seconds_to_retry()))
            return _formatted(exchange.endpoint.format_error, refusal)
        for prefix, format_error in self._error_formats.items():
            if request.path.startswith(prefix):
                return _formatted(format_error, refusal)
        return refusal, refusal


def _count_body(exchange: Exchange, response: web.StreamResponse) -> None:
    """Count the body of an answer that was not relayed."""
    body = response.body if isinstance(response, web.Response) else None
    if isinstance(body, bytes | bytearray) and body and exchange.timings.first_byte is None:
        exchange.sent(len(body))


def _formatted(
    format_error: FormatError, refusal: web.HTTPException
) -> tuple[web.Response, web.HTTPException | None]:
    response = format_error(refusal)
    return response, response if isinstance(response, web.HTTPException) else None
