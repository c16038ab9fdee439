"""StreamKit's routes, as far as the gateway uses them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import asdict

from aiohttp import web

from ..media.audio_errors import BadAudioError, ConversionFailedError
from ..media.workers.conversion import Conversion
from ..media.workers.pool import WorkerPool
from ..tasks import cancel_and_wait
from .call_reader import CallError, CallReader
from .pipeline_params import PlanError, SpeakPlan, TranscribePlan, plan_for
from .recognizer_pool import Recognizer, RecognizerGoneError, Recognizers

MEDIA_TIMEOUT = 5.0
"""Seconds within which the media part must begin, as StreamKit has it."""
TEXT_LIMIT = 1024 * 1024

JOBS = "speech_gateway.embedded.engine_jobs"
NO_FILE = 0
"""Bytes that a worker may write to disk."""

WORKERS = web.AppKey("workers", WorkerPool)
RECOGNIZERS = web.AppKey("recognizers", Recognizers)

log = logging.getLogger(__name__)


def create_app(warm_recognizers: int) -> web.Application:
    """Return the engine's application."""
    app = web.Application()
    app[WORKERS] = WorkerPool(JOBS, file_bytes=NO_FILE)
    app[RECOGNIZERS] = Recognizers(warm_recognizers)
    app.cleanup_ctx.append(app[WORKERS].running)
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
    """Have a worker speak the text: a text that the voice dies of costs this request alone."""
    response = web.StreamResponse(headers={"Content-Type": "audio/ogg"})
    try:
        async with Conversion(request.app[WORKERS], "speak", asdict(plan)) as conversion:
            await conversion.feed(text.encode())
            await conversion.end()
            while piece := await conversion.read():
                await response.prepare(request)
                await response.write(piece)
    except (BadAudioError, ConversionFailedError) as error:
        if response.prepared:
            _break_off(request)
            return response
        raise web.HTTPInternalServerError(text="the voice failed at this text\n") from error
    await response.write_eof()
    return response


async def _transcribe(
    request: web.Request, plan: TranscribePlan, call: CallReader
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    try:
        async with request.app[RECOGNIZERS].one() as recognizer:
            await _hear(request, response, recognizer, plan, call)
    except (CallError, BadAudioError, ConversionFailedError, RecognizerGoneError) as error:
        log.info("a transcription failed: %s", error)
        if response.prepared:
            _break_off(request)
            return response
        if isinstance(error, CallError | BadAudioError):
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        raise web.HTTPInternalServerError(text="the recognizer failed\n") from error
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
    async with Conversion(request.app[WORKERS], "decode") as conversion:
        decoding = asyncio.create_task(conversion.feed_all(call.media()))
        upload = asyncio.create_task(recognizer.send(plan, _samples(conversion, decoding)))
        try:
            async for line in recognizer.lines():
                await response.prepare(request)  # audio has decoded: no 400 from here on
                if line:
                    await response.write(line.encode() + b"\n")
            await upload
        finally:
            await cancel_and_wait(decoding, upload)


async def _samples(conversion: Conversion, decoding: "asyncio.Task[None]") -> AsyncIterator[bytes]:
    """Yield what is decoded, as it is.

    Raises:
        CallError: the call broke off.
        BadAudioError: the audio does not decode.
        ConversionFailedError: the worker failed.
    """
    try:
        while piece := await conversion.read():
            yield piece
    except BadAudioError:
        if decoding.done():
            await decoding
        raise
    await decoding


def _break_off(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
