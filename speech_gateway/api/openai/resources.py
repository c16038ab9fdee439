"""What all requests to OpenAI's API share."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping

from aiohttp import web

from ...media.workers.pool import WorkerPool
from ...pipelines import Pipeline
from ...pipelines.voices import Voices
from ...upstream.client import UpstreamClient
from ...upstream.request_format import CallTemplate

MAX_TEMPLATES = 256
"""Call templates that are kept, by voice and speed or by language."""


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

    def transcription_template(self, language: str | None) -> CallTemplate:
        """Return the template of calls with a language; None is the pipeline's own."""
        params = {"language": language} if language is not None else {}
        return self._template(("stt", language), self._stt, params)

    def language_to_set(self, language: str | None) -> str | None:
        """Return language if it has to be set on the pipeline; None if it is the pipeline's own."""
        return None if language == self._language else language

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
