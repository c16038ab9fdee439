"""OpenAI's audio API: what it adds to the application."""

from aiohttp import web

from ...config.settings import Settings
from ...pipelines.voices import Voices
from ..base import Api, add_route
from ..pages import add_page
from . import model_lists
from .audio_endpoints import SPEECH, SPEECH_BY_GET, TRANSCRIPTIONS, TRANSLATIONS, UPLOADS
from .error_format import as_openai
from .speech import speech
from .speech_request import ReadSpeechRequest, max_bytes
from .transcriptions import transcriptions
from .upload_start import JSON, StartUpload, max_form_bytes, max_json_bytes

PAGES = {
    "/v1/models": model_lists.models,
    "/v1/models/{model:.+}": model_lists.model,
    "/v1/audio/models": model_lists.audio_models,
    "/v1/audio/voices": model_lists.voices,
    "/v1/audio/speech/voices": model_lists.voices,
}
OPTIONAL_SLASH = "{slash:/?}"
WITHOUT_PREFIX = ("/audio/{path:.*}", "/models{path:.*}")
"""Paths that clients request when their base URL lacks the /v1 at its end."""


class OpenAIApi(Api):
    """The audio endpoints, the lists of models and voices, and their routes."""

    prefix = "/v1"
    free_paths = ("/v1/models", "/v1/audio/models", "/v1/audio/voices", "/v1/audio/speech/voices")

    def format_error(self, refusal: web.Response) -> web.Response:
        """Return a refusal in OpenAI's form."""
        return as_openai(refusal)

    def __init__(self, settings: Settings, voices: Voices) -> None:
        self.endpoints = (SPEECH_BY_GET if settings.speech_by_get else SPEECH, *UPLOADS)
        self.body_limits = {SPEECH.path: max_bytes(settings.max_speech_input)}
        for upload in UPLOADS:
            self.body_limits[upload.path] = max_form_bytes(settings.max_upload_bytes)
            self.body_limits[upload.path, JSON] = max_json_bytes(settings.max_upload_bytes)
        self.steps = [
            ReadSpeechRequest(
                voices,
                max_characters=settings.max_speech_input,
                timeout=settings.client_timeout,
            ),
            StartUpload(),
        ]

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to app."""
        for path, page in PAGES.items():
            add_page(app, path + OPTIONAL_SLASH, page)
        handlers = {SPEECH: speech, TRANSCRIPTIONS: transcriptions, TRANSLATIONS: transcriptions}
        for endpoint, handler in handlers.items():
            add_route(app, endpoint.path + OPTIONAL_SLASH, handler, name=endpoint.route)

    def add_fallbacks(self, app: web.Application) -> None:
        """Refuse other paths in OpenAI's form."""
        for path in ("/v1{path:(/.*)?}", *WITHOUT_PREFIX):
            add_route(app, path, model_lists.nowhere)
