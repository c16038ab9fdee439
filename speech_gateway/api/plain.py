"""The plain API: text to /tts, audio to /stt."""

from aiohttp import web

from ..config.settings import SETTINGS
from ..endpoints import STT, TTS
from ..exchange import EXCHANGE, REQUEST_ID
from ..relay import AnswerFormat, SpeechBody, TranscriptsBody, relay
from ..server.request_body import RequestBody
from ..upstream.client import UPSTREAM_CLIENT
from ..upstream.transcript_unwrapping import Unwrapper
from .base import Api, add_route

SPEECH = AnswerFormat(SpeechBody)
TRANSCRIPTS = AnswerFormat(lambda call: TranscriptsBody(call, Unwrapper()))


class PlainApi(Api):
    """The endpoints /tts and /stt."""

    endpoints = (TTS, STT)

    def add_routes(self, app: web.Application) -> None:
        """Add a route for each endpoint."""
        add_route(app, TTS.path, tts, name=TTS.route)
        add_route(app, STT.path, stt, name=STT.route)


async def tts(request: web.Request) -> web.StreamResponse:
    """Have the text spoken, and stream the audio back."""
    exchange = request[EXCHANGE]
    async with request.app[UPSTREAM_CLIENT].call(exchange, request[REQUEST_ID]) as call:
        await call.send_whole(exchange.text)
        return await relay(request, call, SPEECH)


async def stt(request: web.Request) -> web.StreamResponse:
    """Have the audio transcribed while it comes, and stream the transcripts back meanwhile."""
    settings = request.app[SETTINGS]
    body = RequestBody(
        request,
        limit=settings.max_body_bytes,
        timeout=settings.client_timeout,
        min_rate=settings.min_upload_rate,
    )
    call = request.app[UPSTREAM_CLIENT].call(request[EXCHANGE], request[REQUEST_ID])
    async with call, call.sending(body.read):
        return await relay(request, call, TRANSCRIPTS)


async def nowhere(_request: web.Request) -> web.Response:
    """Refuse an unknown path with 404."""
    paths = ", ".join(f"{endpoint.noun} to {endpoint.path}" for endpoint in PlainApi.endpoints)
    raise web.HTTPNotFound(text=f"there is nothing at this path; send {paths}\n")
