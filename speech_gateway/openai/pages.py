"""The lists that clients ask for before they speak."""

from aiohttp import web

from .errors import error_object
from .resources import RESOURCES

MODELS = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "whisper-1", "gpt-4o-transcribe")
"""What clients may call the pipelines; all of a kind are the same one."""
SINCE = 1_700_000_000
"""A time that clients expect of a model (Unix seconds)."""


async def models(_request: web.Request) -> web.Response:
    """List the models as OpenAI does."""
    listed = [
        {"id": name, "object": "model", "created": SINCE, "owned_by": "speech-gateway"}
        for name in MODELS
    ]
    return web.json_response({"object": "list", "data": listed})


async def audio_models(_request: web.Request) -> web.Response:
    """List the models as Open WebUI asks for them."""
    return web.json_response({"models": [{"id": name} for name in MODELS]})


async def voices(request: web.Request) -> web.Response:
    """List the voices."""
    names = request.app[RESOURCES].voices.params
    return web.json_response({"voices": [{"id": name, "name": name} for name in names]})


async def nowhere(request: web.Request) -> web.Response:
    """Refuse what else there is at OpenAI's."""
    message = f"there is no {request.method} {request.path} here; see /v1/models"
    return web.json_response({"error": error_object(message, 404)}, status=404)
