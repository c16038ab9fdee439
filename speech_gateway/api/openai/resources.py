"""What all requests to OpenAI's API share."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from ...errors import UpstreamError, as_http
from ...exchange import Exchange
from ...media.workers.pool import WorkerPool
from ...pipelines import Pipeline
from ...pipelines.voices import Voices
from ...upstream.client import UpstreamClient
from ...upstream.request_format import CallTemplate
from .error_format import FieldError
from .languages import AUTO
from .transcription_fields import GRANULARITIES, TranscriptionFields

MAX_TEMPLATES = 256
"""Call templates that are kept, by voice and speed, or by what is asked of a transcription."""


@dataclass(frozen=True, slots=True)
class TranscriptionWish:
    """What a client asks of the transcription, where that is not what the pipeline does anyway."""

    language: str | None = None
    words: bool = False
    translated: bool = False

    def params(self) -> dict[str, object]:
        """Return the parameters of the speech node."""
        asked = {
            "language": self.language,
            "word_timestamps": self.words or None,
            "task": "translate" if self.translated else None,
        }
        return {name: value for name, value in asked.items() if value is not None}


class Resources:
    """The voices, the media workers, and the templates of calls to the pipelines."""

    def __init__(
        self,
        client: UpstreamClient,
        voices: Voices,
        workers: WorkerPool,
        *,
        tts: Pipeline,
        stt: Pipeline,
    ) -> None:
        self.voices = voices
        self.parsing = asyncio.Lock()
        """Held while a JSON body is parsed, which takes several times its size in memory."""
        self.workers = workers
        self._client = client
        self._tts, self._stt = tts, stt
        self._language = stt.param("language")
        self._templates: OrderedDict[tuple[object, ...], CallTemplate] = OrderedDict()

    def speech_template(self, voice: str, speed: float) -> CallTemplate:
        """Return the template of calls with a voice and speed."""
        params = {**self.voices.params[voice], "speed": speed}
        return self._template(("tts", voice, speed), self._tts, params)

    def transcription_template(self, wish: TranscriptionWish) -> CallTemplate:
        """Return the template of calls that transcribe as a client wishes."""
        return self._template(("stt", wish), self._stt, wish.params())

    def wish(self, fields: TranscriptionFields, *, translated: bool) -> TranscriptionWish:
        """Return what the fields that have come so far ask of the pipeline."""
        language = fields.language
        if translated and language is None:
            language = AUTO  # who has speech translated seldom speaks what the pipeline expects
        return TranscriptionWish(
            language=None if language == self._language else language,
            words=fields.wants_words,
            translated=translated,
        )

    async def check_ability(self, exchange: Exchange, wish: TranscriptionWish) -> None:
        """Refuse what the backend cannot do.

        Raises:
            FieldError: it cannot; the field is named.
            web.HTTPException: it does not tell, as it cannot be reached.
        """
        if wish == TranscriptionWish():
            return
        try:
            abilities = await self._client.health_check.abilities()
        except UpstreamError as error:
            if not (wish.words or wish.translated):
                return  # the call will tell
            exchange.explain(f"the backend was not asked what it can do: {error}")
            raise as_http(error) from error
        languages = abilities.languages
        if wish.language is not None and languages is not None and wish.language not in languages:
            listed = ", ".join(sorted(languages))
            raise FieldError("language", f"must be one that the backend's model knows: {listed}")
        if wish.words and not abilities.words:
            raise FieldError(GRANULARITIES, "must be segment; the backend tells no times of words")
        if wish.translated and not abilities.translation:
            raise FieldError("model", "cannot translate: the backend's model transcribes alone")

    def _template(
        self, key: tuple[str, *tuple[object, ...]], base: Pipeline, params: Mapping[str, object]
    ) -> CallTemplate:
        template = self._templates.get(key)
        if template is None:
            template = self._client.template(key[0], base.with_params(params))
            self._templates[key] = template
            if len(self._templates) > MAX_TEMPLATES:
                self._templates.popitem(last=False)
        self._templates.move_to_end(key)
        return template


RESOURCES = web.AppKey("openai_resources", Resources)
