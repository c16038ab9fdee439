"""What all requests share that name a voice or a language: of OpenAI's API, and of Wyoming."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from ..config.settings import Settings
from ..errors import FieldError, UpstreamError, as_http
from ..exchange import Exchange
from ..media.workers.pool import WorkerPool
from ..metrics import METRICS
from ..pipelines import Pipeline, voices
from ..pipelines.voices import Voices
from ..upstream.client import UPSTREAM_CLIENT, UpstreamClient
from ..upstream.request_format import CallTemplate
from .languages import AUTO

JOBS = "speech_gateway.media.gateway_jobs"
"""Named, not imported: it imports the codecs, which are for the media workers alone."""
GRANULARITIES = "timestamp_granularities[]"
"""The field of a request that asks for words with their times."""
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

    def wish_for_language(self, *languages: str | None) -> TranscriptionWish:
        """Return the wish that one of languages be heard; none is what the pipeline expects."""
        if self._language in languages or not any(languages):
            return TranscriptionWish()
        return TranscriptionWish(language=languages[0] if len(languages) == 1 else AUTO)

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


RESOURCES = web.AppKey("resources", Resources)


def voices_of(settings: Settings) -> Voices:
    """Return the voices that clients may name."""
    packaged = voices.BUNDLED if settings.skit_url is None else voices.PACKAGED
    return settings.voices or voices.load(packaged=packaged)


def add_resources(app: web.Application, settings: Settings, known: Voices) -> None:
    """Add the resources to app, and run the media workers with it."""
    workers = WorkerPool(JOBS, file_bytes=settings.max_upload_bytes, on_end=app[METRICS].converted)
    app.cleanup_ctx.append(workers.running)
    app[RESOURCES] = Resources(
        app[UPSTREAM_CLIENT],
        known,
        workers,
        tts=settings.pipelines["tts"],
        stt=settings.pipelines["stt"],
    )
