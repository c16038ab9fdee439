"""Opens an upload to be transcribed, and reads a form up to its file before the gate."""

from aiohttp import hdrs, web

from ...config.settings import SETTINGS
from ...exchange import EXCHANGE
from ...middlewares import Handler, Step
from ...server.request_body import RequestBody
from ..resources import RESOURCES
from .audio_endpoints import UPLOADS
from .transcription_form import FIELD_LIMIT, TranscriptionForm
from .uploads import FormUpload, JsonUpload, Upload

JSON = "application/json"
BASE64_FACTOR = 4 / 3
UPLOAD = web.RequestKey("upload", Upload)
"""A form that was begun before the gate."""


def max_form_bytes(max_audio: int) -> int:
    """Return how many bytes a form with max_audio bytes of audio may have."""
    return max_audio + 2 * FIELD_LIMIT


def max_json_bytes(max_audio: int) -> int:
    """Return how many bytes a JSON body with max_audio bytes of audio may have."""
    return int(max_audio * BASE64_FACTOR) + 2 * FIELD_LIMIT


class StartUpload(Step):
    """Read a form up to the first of its file, so that a request without audio holds no slot.

    JSON is not asked for yet: it has to be kept as a whole, so the slots are what bounds it.
    """

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.get(EXCHANGE)
        if exchange is None or exchange.endpoint not in UPLOADS:
            return await handler(request)
        if request.content_type == JSON:
            return await handler(request)
        request[UPLOAD] = upload = open_upload(request)
        await upload.begin()
        return await handler(request)


def open_upload(request: web.Request) -> Upload:
    """Return the upload that request brings, and ask for its body."""
    settings, resources = request.app[SETTINGS], request.app[RESOURCES]
    max_audio = settings.max_upload_bytes
    is_json = request.content_type == JSON
    body = RequestBody(
        request,
        limit=max_json_bytes(max_audio) if is_json else max_form_bytes(max_audio),
        timeout=settings.client_timeout,
        min_rate=settings.min_upload_rate,
    )
    if is_json:
        return JsonUpload(body, max_audio, resources.parsing)
    form = TranscriptionForm(request.headers.get(hdrs.CONTENT_TYPE, ""))
    return FormUpload(form, body, max_audio)
