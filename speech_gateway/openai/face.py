"""OpenAI's audio API on the gateway's pipelines: what is added to the application for it."""

from aiohttp import web

from ..client_body import leave_expectation
from ..face import Face
from ..settings import Settings
from ..skit import Skit
from . import pages, voices
from .endpoints import SPEECH, SPEECH_BY_GET, TRANSCRIPTIONS
from .resources import RESOURCES, Resources
from .speech import speech
from .speech_order import ReadSpeechOrder, most_bytes
from .transcriptions import JSON, most_form_bytes, most_json_bytes, transcriptions

PAGES = {
    "/v1/models": pages.models,
    "/v1/audio/models": pages.audio_models,
    "/v1/audio/voices": pages.voices,
}


class OpenAIFace(Face):
    """The endpoints, the step that reads an order before the gate, and the routes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._voices = settings.voices or voices.load()
        self.endpoints = (SPEECH_BY_GET if settings.speech_by_get else SPEECH, TRANSCRIPTIONS)
        self.body_limits = {
            SPEECH.path: most_bytes(settings.max_speech_input),
            TRANSCRIPTIONS.path: most_form_bytes(settings.max_upload_bytes),
            (TRANSCRIPTIONS.path, JSON): most_json_bytes(settings.max_upload_bytes),
        }
        self.steps = [
            ReadSpeechOrder(
                self._voices,
                max_characters=settings.max_speech_input,
                timeout=settings.client_timeout,
            )
        ]

    def add_to(self, app: web.Application, skit: Skit) -> None:
        """Add the routes, and what they share."""
        app[RESOURCES] = resources = Resources(
            skit,
            self._voices,
            tts=self._settings.pipelines["tts"],
            stt=self._settings.pipelines["stt"],
            threads=self._settings.max_concurrency,
        )
        app.on_cleanup.append(resources.close)
        for endpoint, handler in ((SPEECH, speech), (TRANSCRIPTIONS, transcriptions)):
            app.router.add_route(
                "*", endpoint.path, handler, name=endpoint.route, expect_handler=leave_expectation
            )
        for path, page in PAGES.items():
            app.router.add_route("GET", path, page, expect_handler=leave_expectation)
        app.router.add_route("*", "/v1/{path:.*}", pages.nowhere, expect_handler=leave_expectation)
