"""StreamKit's routes, as far as the gateway uses them."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path

from aiohttp import web

from ..media.audio_errors import BadAudioError, ConversionFailedError
from ..media.utterances import Utterance
from ..media.workers.conversion import Conversion
from ..media.workers.pool import WorkerPool
from ..middlewares import Handler
from ..tasks import cancel_and_wait
from .call_reader import CONFIG_LIMIT, CallError, CallReader
from .hearing.transcriber import HearingError, Transcriber
from .hearing.transcription import Transcription
from .hearing.utterance_frames import UtteranceReader
from .hearing.whisper_model import Whisper
from .node_kinds import NodeKinds, node_kinds
from .pipeline_params import PlanError, Plans, SpeakPlan, TranscribePlan
from .pipeline_validation import validate

MEDIA_TIMEOUT = 5.0
"""Seconds within which the media part must begin, as StreamKit has it."""
TEXT_LIMIT = 1024 * 1024
LONGEST_UTTERANCE = 24.0
"""Seconds; the model hears 30 at once, and stops early where no silence follows the speech."""

JOBS = "speech_gateway.embedded.engine_jobs"
NO_FILE = 0
"""Bytes that a worker may write to disk."""
NO_MODEL = (
    "this engine has no model to hear with; start it with --stt-model DIR, the folder of a "
    "CTranslate2 Whisper model\n"
)

WORKERS = web.AppKey("workers", WorkerPool)
NODE_KINDS = web.AppKey("node_kinds", NodeKinds)
PLANS = web.AppKey("plans", Plans)
TRANSCRIBER = web.AppKey("transcriber", Transcriber)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ears:
    """The model that the engine hears with, and how many utterances at once."""

    model: Whisper
    folder: Path
    at_once: int


def create_app(loading: Awaitable[Ears | None]) -> web.Application:
    """Return the engine's application, which serves once its ears are loaded, if it has any."""

    async def hearing(app: web.Application) -> AsyncIterator[None]:
        ears = await loading
        app[NODE_KINDS] = kinds = _node_kinds(ears)
        app[PLANS] = Plans(kinds)
        if ears is not None:
            app[TRANSCRIBER] = Transcriber(ears.model, ears.at_once)
        yield
        if ears is not None:
            app[TRANSCRIBER].close()

    app = web.Application(middlewares=[tell_failures])
    app[WORKERS] = WorkerPool(JOBS, file_bytes=NO_FILE)
    app.cleanup_ctx.append(app[WORKERS].running)
    app.cleanup_ctx.append(hearing)
    app.router.add_post("/api/v1/process", process)
    app.router.add_get("/api/v1/schema/nodes", schema)
    app.router.add_post("/api/v1/validate", judge)
    app.router.add_get("/healthz", healthz)
    return app


def _node_kinds(ears: Ears | None) -> NodeKinds:
    if ears is None:  # a gateway whose pipeline is right is ready to speak, and told by 501
        return node_kinds(["en"], translates=False)
    model = ears.model
    return node_kinds(model.languages, translates=model.translates, model=ears.folder)


@web.middleware
async def tell_failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer an error that nobody expected with 500."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        raise web.HTTPInternalServerError(text="the engine failed on this request\n") from None


async def healthz(_request: web.Request) -> web.Response:
    """Answer 200 while the engine serves."""
    return web.Response(text="ok\n")


async def schema(request: web.Request) -> web.Response:
    """Tell the kinds of nodes and their parameters."""
    return web.json_response([kind.definition() for kind in request.app[NODE_KINDS].values()])


async def judge(request: web.Request) -> web.Response:
    """Judge the pipeline in ``{"yaml": ...}``, without running it."""
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        body = None
    pipeline = body.get("yaml") if isinstance(body, dict) else None
    if not isinstance(pipeline, str):
        raise web.HTTPBadRequest(text="the body must be a JSON object with the text 'yaml'\n")
    if len(pipeline) > CONFIG_LIMIT:
        raise web.HTTPBadRequest(text=f"the pipeline is over {CONFIG_LIMIT} characters\n")
    verdict = await asyncio.to_thread(validate, pipeline, request.app[NODE_KINDS])
    return web.json_response(verdict.as_json())


async def process(request: web.Request) -> web.StreamResponse:
    """Run a oneshot pipeline on the media that the call brings."""
    try:
        call = CallReader(request.headers.get("Content-Type", ""), request.content)
        async with asyncio.timeout(MEDIA_TIMEOUT):
            plan = await request.app[PLANS].plan_for(await call.config())
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
    await response.prepare(request)  # also where there was nothing to say
    await response.write_eof()
    return response


async def _transcribe(
    request: web.Request, plan: TranscribePlan, call: CallReader
) -> web.StreamResponse:
    if (transcriber := request.app.get(TRANSCRIBER)) is None:
        raise web.HTTPNotImplemented(text=NO_MODEL)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    utterances = _utterances(request.app, plan, call)
    lines = Transcription(transcriber, plan).lines(utterances)
    try:
        async with aclosing(utterances), aclosing(lines):
            async for line in lines:
                await response.prepare(request)  # audio has decoded: no 400 from here on
                if line:
                    await response.write(line.encode() + b"\n")
    except (CallError, BadAudioError, ConversionFailedError, HearingError) as error:
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


async def _utterances(
    app: web.Application, plan: TranscribePlan, call: CallReader
) -> AsyncGenerator[Utterance | None]:
    """Yield the utterances in a call's media; None tells that the audio decodes.

    Raises:
        CallError: the call broke off.
        BadAudioError: the audio does not decode.
        ConversionFailedError: the worker failed.
    """
    options = {
        "threshold": plan.vad_threshold,
        "min_silence": plan.min_silence_seconds,
        "max_length": min(plan.max_segment_seconds, LONGEST_UTTERANCE),
    }
    reader = UtteranceReader()
    async with Conversion(app[WORKERS], "hear", options) as conversion:
        feeding = asyncio.create_task(conversion.feed_all(call.media()))
        try:
            while piece := await conversion.read():
                for utterance in reader.feed(piece):
                    yield utterance
            await feeding
        except BadAudioError:
            if feeding.done():
                await feeding  # the call's own fault, if it has one, is the reason
            raise
        finally:
            await cancel_and_wait(feeding)


def _break_off(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
