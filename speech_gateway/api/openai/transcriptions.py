"""``POST /v1/audio/transcriptions`` and ``/translations``: audio to text, in many formats."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from aiohttp import web

from ...exchange import EXCHANGE, REQUEST_ID
from ...media.workers.conversion import Conversion
from ...relay import AnswerFormat, PassedThrough, backend_error, relay
from ...tasks import cancel_and_wait
from ...upstream.answer_head import Answer
from ...upstream.call import Call
from ...upstream.client import UPSTREAM_CLIENT
from ...upstream.transcript_unwrapping import refuse_html
from ..languages import AUTO
from ..resources import RESOURCES, Resources, TranscriptionWish
from ..transcript import MAX_BYTES, Transcript, TranscriptReader
from .audio_endpoints import TRANSLATIONS
from .error_format import error_event
from .recording import Recording, WrongWishError
from .server_sent_events import EVENT_STREAM
from .transcript_formats import TranscriptEvents, respond
from .transcription_fields import TranscriptionFields
from .upload_start import UPLOAD, open_upload

UPLOAD_JOB = "upload"
"""What the media workers call the conversion of an upload."""


async def transcriptions(request: web.Request) -> web.StreamResponse:
    """Have the audio transcribed while it comes, and answer with the transcript."""
    resources = request.app[RESOURCES]
    upload = request.get(UPLOAD) or open_upload(request)
    async with (
        Conversion(resources.workers, UPLOAD_JOB) as conversion,
        Recording(upload, conversion) as recording,
    ):
        await recording.begin()
        while True:
            try:
                heard = await _recognise(request, recording, upload.fields)
                break
            except WrongWishError:
                continue
    if not isinstance(heard, Transcript):
        return heard
    heard.duration = conversion.seconds
    return respond(heard, upload.fields.response_format, upload.fields.granularities)


async def _recognise(
    request: web.Request, recording: Recording, fields: TranscriptionFields
) -> Transcript | web.StreamResponse:
    """Return the transcript, or an answer: the backend's refusal, or events that were sent.

    Raises:
        WrongWishError: the client has asked for something else since; transcribe again.
        UpstreamError: the backend failed.
        web.HTTPException: the request failed otherwise.
    """
    resources = request.app[RESOURCES]
    translated = request[EXCHANGE].endpoint is TRANSLATIONS
    wish = _wish(resources, fields, translated=translated)
    await resources.check_ability(request[EXCHANGE], wish)

    def is_right() -> bool:
        return _wish(resources, fields, translated=translated) == wish

    async with _calling(request, recording.pieces(is_right), wish) as call:
        early = b"" if fields.given("stream") else await _early(call, recording)
        if recording.complete.is_set() and not is_right():
            raise WrongWishError
        if not fields.wants_events:
            return await _whole(request, call, early, translated=translated)
        return await relay(
            request,
            call,
            AnswerFormat(
                lambda call: _Events(call, recording, early, is_right),
                EVENT_STREAM,
                error_event=error_event,
            ),
        )


def _wish(
    resources: Resources, fields: TranscriptionFields, *, translated: bool
) -> TranscriptionWish:
    """Return what the fields that have come so far ask of the pipeline."""
    language = fields.language
    if translated and language is None:
        language = AUTO  # who has speech translated seldom speaks what the pipeline expects
    wish = resources.wish_for_language(language)
    return replace(wish, words=fields.wants_words, translated=translated)


async def _early(call: Call, recording: Recording) -> bytes:
    """Return what the backend answers until the upload tells whether it is wanted as events.

    An error is not raised here: whoever reads on gets it.
    """
    heard = bytearray()
    waits = {
        asyncio.create_task(_collect(call, heard)),
        asyncio.create_task(recording.complete.wait()),
    }
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_and_wait(*waits)
    return bytes(heard)


async def _collect(call: Call, heard: bytearray) -> None:
    answer = await call.answer()
    if answer.status >= web.HTTPBadRequest.status_code:
        return
    while len(heard) < MAX_BYTES and (piece := await call.read()):
        heard += piece


async def _whole(
    request: web.Request, call: Call, early: bytes, *, translated: bool
) -> Transcript | web.StreamResponse:
    """Return the whole transcript, or the backend's refusal."""
    transcript = Transcript(translated=translated)
    reader = TranscriptReader(transcript)
    answer = await call.answer()
    if answer.status >= web.HTTPBadRequest.status_code:
        return await backend_error(request[EXCHANGE], call, answer)
    reader.feed(early)
    while piece := await call.read():
        reader.feed(piece)
    call.check_uncut()
    reader.end()
    return transcript


class _Events(PassedThrough):
    """Transcripts as events.

    When a field that asks for something else may still follow, the first event waits for it.
    """

    def __init__(
        self, call: Call, recording: Recording, early: bytes, is_right: Callable[[], bool]
    ) -> None:
        super().__init__(call, TranscriptEvents(), early)
        self._recording = recording
        self._is_right = is_right

    async def open(self, answer: Answer) -> None:
        """Wait for the first transcript, unless what is wished is certain."""
        refuse_html(answer.content_type or "", b"")
        if not self._recording.wish_is_known and not self._opening:
            self._opening = await self._call.read()
        await self._take_whole()
        if self._recording.complete.is_set() and not self._is_right():
            raise WrongWishError
        self._recording.committed = True  # from here on the client is told what was heard


@asynccontextmanager
async def _calling(
    request: web.Request, pieces: AsyncIterator[bytes], wish: TranscriptionWish
) -> AsyncIterator[Call]:
    """Call the backend, and send it pieces while the block runs."""
    template = request.app[RESOURCES].transcription_template(wish)
    call = request.app[UPSTREAM_CLIENT].call(request[EXCHANGE], request[REQUEST_ID], template)
    async with call, call.sending(partial(anext, pieces, b"")):
        yield call
