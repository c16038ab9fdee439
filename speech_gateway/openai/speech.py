"""``POST /v1/audio/speech``: text to speech, in the format that was asked for."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial

from aiohttp import web

from ..answers import UpstreamError
from ..call import Call, as_refusal
from ..exchange import EXCHANGE, REQUEST_ID
from ..relay import ClientSide, Shape, pour, relay
from ..skit import SKIT
from ..tasks import cancel_and_wait
from .conversion import Conversion, ConversionError, Convert
from .errors import error_event
from .events import EVENT_STREAM, AudioEvents
from .resources import RESOURCES
from .speech_order import SPEECH_ORDER, SpeechOrder


async def speech(request: web.Request) -> web.StreamResponse:
    """Have the order's text spoken, and stream it back in the order's format."""
    order, exchange, resources = request[SPEECH_ORDER], request[EXCHANGE], request.app[RESOURCES]
    template = resources.speech_template(order.voice, order.speed)
    try:
        async with request.app[SKIT].call(exchange, request[REQUEST_ID], template) as call:
            await call.send_whole(exchange.text)
            return await relay(request, call, _shape(order, resources.pool))
    except UpstreamError as error:
        exchange.explain(f"the backend was not reached: {error}")
        raise as_refusal(error) from error


def _shape(order: SpeechOrder, pool: Executor) -> Shape:
    convert = order.format.convert
    pouring: Callable[[Call, ClientSide], Awaitable[None]] = (
        partial(_pour_converted, convert=convert, pool=pool) if convert is not None else pour
    )
    if order.events:
        return Shape(EVENT_STREAM, AudioEvents(), pouring, error_event)
    return Shape(order.format.content_type, pour=pouring)


async def _pour_converted(
    call: Call, client: ClientSide, *, convert: Convert, pool: Executor
) -> None:
    """Pass the backend's audio on through a conversion, as it comes."""
    conversion = Conversion(convert, pool)
    feeding = asyncio.create_task(_feed(call, conversion))
    try:
        while piece := await conversion.read():
            if not client.take(piece):
                await client.catch_up()
        await feeding
        await client.end(b"")
    except ConversionError as error:
        if feeding.done():
            await feeding  # the backend's own fault, if it has one, is the reason
        raise UpstreamError(f"its audio cannot be converted: {error}") from error
    finally:
        conversion.close()
        await cancel_and_wait(feeding)


async def _feed(call: Call, conversion: Conversion) -> None:
    try:
        while piece := await call.read():
            await conversion.feed(piece)
    except BaseException:
        conversion.close()
        raise
    conversion.end()
