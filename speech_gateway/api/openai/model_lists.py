"""The lists of models and voices, which clients request first."""

from aiohttp import web

from ..resources import RESOURCES
from .error_format import error_object

SPEAKING = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
LISTENING = ("whisper-1", "gpt-4o-transcribe")
MODELS = (*SPEAKING, *LISTENING)
"""Names that clients may give to the two pipelines."""
SINCE = 1_700_000_000
"""When a model was created (Unix seconds); clients expect the field."""


async def models(request: web.Request) -> web.Response:
    """List the models as OpenAI does."""
    listed = [_model(request, name) for name in MODELS]
    return web.json_response({"object": "list", "data": listed})


async def model(request: web.Request) -> web.Response:
    """Describe one model."""
    name = request.match_info["model"].rstrip("/")
    if name not in MODELS:
        message = f"there is no such model here; there are {', '.join(MODELS)}"
        error = error_object(message, 404, "model") | {"code": "model_not_found"}
        return web.json_response({"error": error}, status=404)
    return web.json_response(_model(request, name))


async def audio_models(_request: web.Request) -> web.Response:
    """List the models as Open WebUI asks for them."""
    return web.json_response({"models": [{"id": name} for name in MODELS]})


async def voices(request: web.Request) -> web.Response:
    """List the voices."""
    return web.json_response({"voices": _voices(request)})


async def nowhere(request: web.Request) -> web.Response:
    """Refuse other paths of OpenAI's, and those of a base URL without /v1."""
    message = f"there is no {request.method} {request.path} here; see /v1/models"
    if not request.path.startswith("/v1/"):
        message = "OpenAI's API is under /v1 here; have the client's base URL end with it"
    return web.json_response({"error": error_object(message, 404)}, status=404)


def _model(request: web.Request, name: str) -> dict[str, object]:
    """Return a model's entry; its voices are listed as Speaches does."""
    described = {
        "id": name,
        "object": "model",
        "created": SINCE,
        "owned_by": "speech-gateway",
        "task": "text-to-speech" if name in SPEAKING else "automatic-speech-recognition",
    }
    return described | ({"voices": _voices(request)} if name in SPEAKING else {})


def _voices(request: web.Request) -> list[dict[str, str]]:
    voices = request.app[RESOURCES].voices
    return [{"id": name, "name": name, **voices.about.get(name, {})} for name in voices.params]
