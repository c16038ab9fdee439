"""``POST /v1/audio/transcriptions``: audio of many kinds to text, in the format asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import hdrs, web

from ..answers import UpstreamError
from ..call import Call, as_refusal
from ..client_body import ClientBody
from ..exchange import EXCHANGE, REQUEST_ID
from ..relay import Shape, backend_error, relay
from ..settings import SETTINGS
from ..skit import SKIT
from ..tasks import cancel_and_wait
from .audio_in import Upload
from .conversion import Conversion
from .errors import error_event
from .events import EVENT_STREAM
from .form import FIELD_LIMIT, Form
from .form_reader import FormReader
from .resources import RESOURCES
from .transcripts import Lines, Transcript, TranscriptEvents, as_events, respond


async def transcriptions(request: web.Request) -> web.StreamResponse:
    """Have the form's file transcribed while it comes, and tell what was heard."""
    settings = request.app[SETTINGS]
    form = Form(request.headers.get(hdrs.CONTENT_TYPE, ""))
    body = ClientBody(
        request, limit=settings.max_upload_bytes + FIELD_LIMIT, timeout=settings.client_timeout
    )
    audio = Upload()
    conversion = Conversion(audio.convert, request.app[RESOURCES].pool)
    async with FormReader(form, body, conversion) as reader:
        await reader.file_begins()
        language = form.language
        if form.wants_events():
            return await _stream(request, reader, language)
        heard = await _transcribe(request, reader.pieces(), language)
        if isinstance(heard, Transcript) and form.language != language:
            heard = await _transcribe(request, reader.pieces_again(), form.language)
    if isinstance(heard, web.Response):
        return heard
    heard.duration = audio.seconds
    if form.wants_events():  # told too late to have been one
        return web.Response(body=as_events(heard), headers={hdrs.CONTENT_TYPE: EVENT_STREAM})
    return respond(heard, form.response_format)


async def _stream(
    request: web.Request, reader: FormReader, language: str | None
) -> web.StreamResponse:
    """Pass on what is heard as events, as it comes."""
    shape = Shape(EVENT_STREAM, TranscriptEvents(), last_words=error_event)
    async with _calling(request, reader.pieces(), language) as call:
        return await relay(request, call, shape)


async def _transcribe(
    request: web.Request, pieces: AsyncIterator[bytes], language: str | None
) -> Transcript | web.Response:
    """Return all that was heard, or the backend's refusal."""
    exchange = request[EXCHANGE]
    transcript = Transcript()
    lines = Lines(transcript)
    async with _calling(request, pieces, language) as call:
        try:
            answer = await call.answer()
            if answer.status >= web.HTTPBadRequest.status_code:
                return exchange.endpoint.phrase(await backend_error(request, call, answer))
            while piece := await call.read():
                lines.feed(piece)
        except UpstreamError as error:
            exchange.explain(f"the backend failed: {error}")
            raise as_refusal(error) from error
    lines.flush()
    return transcript


@asynccontextmanager
async def _calling(
    request: web.Request, pieces: AsyncIterator[bytes], language: str | None
) -> AsyncIterator[Call]:
    """Call the backend, and send it pieces meanwhile."""
    exchange = request[EXCHANGE]
    template = request.app[RESOURCES].transcription_template(language)
    async with request.app[SKIT].call(exchange, request[REQUEST_ID], template) as call:
        try:
            await call.open()
        except UpstreamError as error:
            exchange.explain(f"the backend was not reached: {error}")
            raise as_refusal(error) from error
        sending = asyncio.create_task(_send(call, pieces))
        try:
            yield call
        finally:
            await cancel_and_wait(sending)


async def _send(call: Call, pieces: AsyncIterator[bytes]) -> None:
    try:
        async for piece in pieces:
            await call.send(piece)
        call.finish()
    except Exception as error:  # noqa: BLE001 - raised again where the answer is read
        call.fail(error)
