"""What a client asks for, message by message: texts to be spoken, and audio to be transcribed."""

from typing import Any

from aiohttp import web
from wyoming.asr import Transcribe
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import Describe
from wyoming.ping import Ping, Pong
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from ...exchange import Exchange
from ...speakable_text import BYTE_ORDER_MARK
from ..languages import code_of
from .current_work import CurrentWork
from .event_writer import EventWriter
from .heard_audio import HeardAudio, kind_of_samples, tell_silence
from .requested_voice import requested_voice
from .spoken_text import SpokenText
from .wyoming_endpoints import HEARD, SPOKEN
from .wyoming_services import WyomingServices


class Conversation:
    """Takes a client's messages in their order.

    What is asked for is done one after another; messages that come meanwhile are taken all the
    same, so that pings are answered, and parts of a text or of audio go where they belong.

    Args:
        connection: the connection's exchange.
        request_id: the connection's; what is asked for has a number behind it.
    """

    def __init__(
        self,
        services: WyomingServices,
        writer: EventWriter,
        work: CurrentWork,
        connection: Exchange,
        request_id: str,
    ) -> None:
        self._services = services
        self._writer = writer
        self._work = work
        self._connection = connection
        self._request_id = request_id
        self._asked = 0
        """How many things were asked for."""
        self._language: object = None
        """What the audio that comes next is said to be spoken in."""
        self._form: dict[str, Any] = {}
        """What kind of audio comes, where it is told before it."""
        self._is_audio_begun = False
        """Whether audio was begun, be it of no samples."""
        self.audio: HeardAudio | None = None
        """What is being said."""
        self.text: SpokenText | None = None
        """A text whose parts are still coming."""
        self.fed_at = 0.0
        """When some of either came last, and was taken."""

    async def take(self, event: Event) -> None:
        """Take a message; those that are not known are left out, as the protocol has it.

        Raises:
            web.HTTPException: it is refused, which is counted.
            ConnectionError: the client is gone.
        """
        try:
            await self._take(event)
        except web.HTTPException as failure:
            # What is being done fails with it, and is counted; so was what has failed before.
            if not (self._work.is_counted or self._work.has_failed_with(failure)):
                endpoint = SPOKEN if event.type.startswith("synthesize") else HEARD
                request_id = self._next_id()
                self._services.requests.refuse(endpoint, self._connection, request_id, failure)
            raise

    async def _take(self, event: Event) -> None:
        if Ping.is_type(event.type):
            await self._writer.send(_pong(event).event())
        elif Describe.is_type(event.type):
            await self._writer.send(await self._services.info.event())
        elif Synthesize.is_type(event.type):
            await self._synthesize(event)
        elif SynthesizeStart.is_type(event.type):
            text = await self._new_text(event, streamed=True)
            await self._begin(text)
            self.text = text
        elif SynthesizeChunk.is_type(event.type):
            await self._open_text().pieces.add(_text_of(event))
            self.fed_at = self._connection.clock()
        elif SynthesizeStop.is_type(event.type):
            self._open_text().pieces.end()
            self.text = None
        elif Transcribe.is_type(event.type):
            _require_end("audio-stop", self.audio)
            self._language = event.data.get("language")
        elif AudioStart.is_type(event.type):
            _require_end("audio-stop", self.audio)
            self._form, self._is_audio_begun = event.data, True
        elif AudioChunk.is_type(event.type):
            await self._hear(event)
        elif AudioStop.is_type(event.type):
            await self._end_audio()

    async def _synthesize(self, event: Event) -> None:
        if self.text is not None:
            return  # the whole text, for servers that take no parts
        if not (whole := _text_of(event)).strip():
            raise web.HTTPBadRequest(text="there is no text; send one to be spoken\n")
        text = await self._new_text(event, streamed=False)
        await text.pieces.add(whole)
        text.pieces.end()
        await self._begin(text)

    async def _new_text(self, event: Event, *, streamed: bool) -> SpokenText:
        if event.data.get("text_format") not in (None, "text"):
            raise web.HTTPBadRequest(text="text_format is text, the only one that is spoken\n")
        voice = requested_voice(event.data.get("voice"), self._services.resources.voices)
        await self._ready()
        return SpokenText(self._services, self._writer, self._next_id(), voice, streamed=streamed)

    def _open_text(self) -> SpokenText:
        if self.text is None:
            raise web.HTTPBadRequest(text="synthesize-start comes before parts of a text\n")
        return self.text

    async def _hear(self, event: Event) -> None:
        self._is_audio_begun = True
        kind = kind_of_samples({**self._form, **event.data})
        if not event.payload:
            return
        if self.audio is None:
            wish = self._services.resources.wish_for_language(_code_of(self._language))
            await self._ready()
            audio = HeardAudio(self._services, self._writer, self._next_id(), wish)
            await self._begin(audio)
            self.audio = audio
        waited = self._connection.clock() - self.fed_at
        await self.audio.feed(kind, event.payload, waited)
        self.fed_at = self._connection.clock()

    async def _end_audio(self) -> None:
        if self.audio is not None:
            self.audio.end()
        elif self._is_audio_begun:
            await tell_silence(self._writer)
        else:
            raise web.HTTPBadRequest(text="there is no audio; audio-chunk comes before its end\n")
        self.audio, self._language = None, None
        self._form, self._is_audio_begun = {}, False

    async def _ready(self) -> None:
        """Wait until what was asked for before is done.

        Raises:
            web.HTTPBadRequest: it cannot be done before more comes.
        """
        _require_end("synthesize-stop", self.text)
        _require_end("audio-stop", self.audio)
        await self._work.wait()

    async def _begin(self, asked_for: SpokenText | HeardAudio) -> None:
        self.fed_at = self._connection.clock()
        await self._work.begin(asked_for)

    def _next_id(self) -> str:
        self._asked += 1
        return f"{self._request_id}.{self._asked}"


def _pong(ping: Event) -> Pong:
    text = ping.data.get("text")
    return Pong(text=_encodable(text) if isinstance(text, str) else None)


def _text_of(event: Event) -> str:
    text = event.data.get("text")
    if not isinstance(text, str):
        raise web.HTTPBadRequest(text=f"{event.type} has a text\n")
    return _encodable(text.removeprefix(BYTE_ORDER_MARK))


def _encodable(text: str) -> str:
    """Return a text as UTF-8 can encode it: half a surrogate pair is no character."""
    return text.encode("utf-8", "replace").decode()


def _code_of(language: object) -> str | None:
    """Return the code of a language that a client told, if it did."""
    if not language:
        return None
    if not isinstance(language, str) or (code := code_of(language)) is None:
        raise web.HTTPBadRequest(text="a language is a code like en or en-US\n")
    return code


def _require_end(end: str, begun: object) -> None:
    if begun is not None:
        raise web.HTTPBadRequest(text=f"{end} comes before anything else is asked for\n")
