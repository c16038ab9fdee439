"""Carries the backend's answer to the client, piece by piece, and sees how it ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from .answers import UpstreamError
from .call import Answer, Call, as_refusal
from .client_side import PATIENCE, ClientSide, RelayedResponse, Transform, break_off
from .exchange import CLIENT_LEFT, EXCHANGE, REQUEST_ID
from .persistence import decide_persistence

LAST_WORDS_TIMEOUT = 1.0
"""Seconds that a client gets to take what was relayed before a break."""

log = logging.getLogger(__name__)


async def pour(call: Call, client: "ClientSide") -> None:
    """Pass the backend's pieces on as they come, and end the answer."""
    while not await call.pour(client.take):
        await client.catch_up()
    await client.end(await call.rest())


@dataclass(frozen=True, slots=True)
class Shape:
    """How an answer is changed on its way to the client."""

    content_type: str | None = None
    """Instead of the backend's."""
    transform: Transform | None = None
    pour: Callable[[Call, "ClientSide"], Awaitable[None]] = pour
    last_words: Callable[[str], bytes] | None = None
    """What a client is sent before an answer that failed breaks off; given why, for people."""


async def relay(request: web.Request, call: Call, shape: Shape) -> web.StreamResponse:
    """Answer request with what the backend answers, in that shape.

    Raises:
        web.HTTPException: there is nothing to relay, for a fault of the backend's or the upload's.
    """
    try:
        answer = await call.answer()
    except UpstreamError as error:
        request[EXCHANGE].explain(f"the backend failed: {error}")
        raise as_refusal(error) from error
    if answer.status >= 400:
        return request[EXCHANGE].endpoint.phrase(await backend_error(request, call, answer))
    headers = _headers(answer, request[EXCHANGE].endpoint.answer_type, shape.content_type)
    response = RelayedResponse(status=answer.status, headers=headers)
    decide_persistence(request, response, streamed=True)
    client = ClientSide(request, response, request.app[PATIENCE], shape.transform)
    try:
        await client.begin()
        if not call.answered or shape.pour is not pour:
            client.send_head()  # what is not all here yet may take its time, or fail
        await shape.pour(call, client)
    except UpstreamError as error:
        request[EXCHANGE].explain(f"the backend broke off: {error}")
        client.say(shape.last_words, as_refusal(error))
        await _break_after_last_words(request, as_refusal(error).status)
    except web.HTTPException as fault:
        request[EXCHANGE].explain(f"the upload failed: {fault.text}")
        client.say(shape.last_words, fault)
        await _break_after_last_words(request, fault.status)
    except ConnectionError:
        break_off(request, CLIENT_LEFT)
    finally:
        client.stop()
    return response


async def backend_error(request: web.Request, call: Call, answer: Answer) -> web.Response:
    """Return the backend's error as it may be passed back."""
    body = await call.error_body()
    request[EXCHANGE].explain("the backend refused")
    if not body:
        text = f"the speech backend refused this request with {answer.status}\n"
        return web.Response(status=answer.status, text=text)
    headers = _headers(answer, "text/plain; charset=utf-8")
    return web.Response(status=answer.status, body=body, headers=headers)


def _headers(answer: Answer, fallback: str, override: str | None = None) -> dict[str, str]:
    """Return what may be passed back of the head; fallback is for an answer without a type."""
    headers = {"Content-Type": override or answer.content_type or fallback}
    if answer.retry_after is not None:
        headers["Retry-After"] = answer.retry_after
    return headers


async def _break_after_last_words(request: web.Request, status: int) -> None:
    """Break off, once the client has had the chance to take what was relayed before."""
    request[EXCHANGE].cut = status
    try:
        async with asyncio.timeout(LAST_WORDS_TIMEOUT):
            await request.writer.drain()
    except (TimeoutError, ConnectionError):
        log.debug("%s did not take what it was sent before the break", request[REQUEST_ID])
    finally:
        break_off(request, status)
