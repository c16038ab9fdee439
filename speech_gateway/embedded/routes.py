"""StreamKit's routes, as far as the gateway uses them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

from aiohttp import web

from ..tasks import cancel_and_wait
from .call_reader import CallError, CallReader
from .espeak import Espeak
from .pipeline_params import PlanError, SpeakPlan, TranscribePlan, plan_for
from .recognizer_pool import Recognizer, RecognizerGoneError, Recognizers, UndecodableError
from .synthesis import speak

MEDIA_TIMEOUT = 5.0
"""Seconds within which the media part must begin, as StreamKit has it."""
TEXT_LIMIT = 1024 * 1024

ESPEAK = web.AppKey("espeak", Espeak)
RECOGNIZERS = web.AppKey("recognizers", Recognizers)

log = logging.getLogger(__name__)


def create_app(warm_recognizers: int) -> web.Application:
    """Return the engine's application."""
    app = web.Application()
    app[ESPEAK] = Espeak()
    app[RECOGNIZERS] = Recognizers(warm_recognizers)
    app.cleanup_ctx.append(_run_recognizers)
    app.router.add_post("/api/v1/process", process)
    app.router.add_get("/healthz", healthz)
    return app


async def _run_recognizers(app: web.Application) -> AsyncIterator[None]:
    await app[RECOGNIZERS].start()
    yield
    await app[RECOGNIZERS].stop()


async def healthz(_request: web.Request) -> web.Response:
    """Answer 200 while the engine serves."""
    return web.Response(text="ok\n")


async def process(request: web.Request) -> web.StreamResponse:
    """Run a oneshot pipeline on the media that the call brings."""
    try:
        call = CallReader(request.headers.get("Content-Type", ""), request.content)
        async with asyncio.timeout(MEDIA_TIMEOUT):
            plan = plan_for(await call.config())
            await call.media_begins()
        if isinstance(plan, SpeakPlan):
            return await _speak(request, plan, await _text(call))
        return await _transcribe(request, plan, call)
    except TimeoutError:
        raise web.HTTPBadRequest(text=f"no media within {MEDIA_TIMEOUT:g} s\n") from None
    except CallError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from None
    except PlanError as error:
        return web.Response(status=error.status, text=f"{error}\n")


async def _text(call: CallReader) -> str:
    data = bytearray()
    async for piece in call.media():
        data += piece
        if len(data) > TEXT_LIMIT:
            raise CallError(f"the text is over {TEXT_LIMIT} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise CallError("the text is not UTF-8") from None
    if not text.strip():
        raise CallError("there is no text")
    return text


async def _speak(request: web.Request, plan: SpeakPlan, text: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "audio/ogg"})
    await response.prepare(request)
    pages = speak(request.app[ESPEAK], text, plan)
    while (piece := await asyncio.to_thread(_next, pages)) is not None:
        await response.write(piece)
    await response.write_eof()
    return response


def _next(pages: Iterator[bytes]) -> bytes | None:
    return next(pages, None)


async def _transcribe(
    request: web.Request, plan: TranscribePlan, call: CallReader
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    try:
        async with request.app[RECOGNIZERS].one() as recognizer:
            await _hear(request, response, recognizer, plan, call)
    except (CallError, UndecodableError, RecognizerGoneError) as error:
        log.info("a transcription failed: %s", error)
        if response.prepared:
            _break_off(request)
            return response
        if isinstance(error, RecognizerGoneError):
            raise web.HTTPInternalServerError(text="the recognizer failed\n") from error
        raise web.HTTPBadRequest(text=f"{error}\n") from error
    await response.prepare(request)
    await response.write_eof()
    return response


async def _hear(
    request: web.Request,
    response: web.StreamResponse,
    recognizer: Recognizer,
    plan: TranscribePlan,
    call: CallReader,
) -> None:
    upload = asyncio.create_task(recognizer.send(plan, call.media()))
    try:
        async for line in recognizer.lines():
            await response.prepare(request)  # audio has decoded: no 400 from here on
            if line:
                await response.write(line.encode() + b"\n")
        await upload
    finally:
        await cancel_and_wait(upload)


def _break_off(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
