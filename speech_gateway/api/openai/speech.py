"""``POST /v1/audio/speech``: text to speech, in the requested format."""

from aiohttp import web

from ...exchange import EXCHANGE, REQUEST_ID
from ...media.ogg_pages import is_ogg_opus
from ...media.workers.conversion import Conversion
from ...relay import AnswerFormat, Body, PassedThrough, first_sound, relay
from ...server.response_writer import ResponseWriter, Transform
from ...upstream.answer_head import Answer
from ...upstream.call import Call
from ...upstream.client import UPSTREAM_CLIENT
from ..converted_speech import Converted
from ..resources import RESOURCES
from .audio_formats import BACKENDS_OWN
from .error_format import error_event
from .server_sent_events import EVENT_STREAM, AudioEvents
from .speech_request import SPEECH_REQUEST, SpeechRequest


async def speech(request: web.Request) -> web.StreamResponse:
    """Have the text spoken, and stream the audio back in the requested format."""
    wanted, exchange, resources = request[SPEECH_REQUEST], request[EXCHANGE], request.app[RESOURCES]
    template = resources.speech_template(wanted.voice, wanted.speed)
    async with (
        Conversion(resources.workers, wanted.format.name) as conversion,
        request.app[UPSTREAM_CLIENT].call(exchange, request[REQUEST_ID], template) as call,
    ):
        if wanted.format is not BACKENDS_OWN:
            await conversion.begin()  # the worker prepares itself while the backend does
        await call.send_whole(exchange.text)
        return await relay(request, call, _format(wanted, conversion))


def _format(wanted: SpeechRequest, conversion: Conversion) -> AnswerFormat:
    def body(call: Call) -> Body:
        transform = AudioEvents() if wanted.events else None
        if wanted.format is BACKENDS_OWN:
            return OggOpus(call, transform, conversion)
        return Converted(call, transform, conversion)

    if wanted.events:
        return AnswerFormat(body, EVENT_STREAM, error_event)
    return AnswerFormat(body, wanted.format.content_type)


class OggOpus:
    """The backend's audio as Ogg/Opus: passed through if it is that already, else converted."""

    def __init__(self, call: Call, transform: Transform | None, conversion: Conversion) -> None:
        self.transform = transform
        self._call = call
        self._conversion = conversion
        self._body: Body | None = None

    async def open(self, answer: Answer) -> None:
        """Wait for the first sound, which tells whether it is Ogg/Opus."""
        opening = await first_sound(self._call, answer)
        if is_ogg_opus(opening):
            self._body = PassedThrough(self._call, self.transform, opening)
            await self._body.open(answer)
            return
        self._body = converted = Converted(self._call, self.transform, self._conversion)
        await converted.begin(opening)

    async def relay(self, writer: ResponseWriter) -> None:
        """Pass the audio on."""
        assert self._body is not None
        await self._body.relay(writer)

    async def close(self) -> None:
        """Give up the conversion, if there is one."""
        if self._body is not None:
            await self._body.close()
