"""What all requests of this face share."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from ...pipelines import Pipeline
from ...pipelines.voices import Voices
from ...upstream.call_format import CallTemplate
from ...upstream.client import UpstreamClient

MAX_TEMPLATES = 256
"""Calls' beginnings that are kept: by voice and speed, or by language."""


class Resources:
    """The voices, the threads that convert, and the calls that pipelines begin with."""

    def __init__(
        self, skit: UpstreamClient, voices: Voices, *, tts: Pipeline, stt: Pipeline, threads: int
    ) -> None:
        self.voices = voices
        self.parsing = asyncio.Lock()
        """Held while a body of JSON is parsed: one takes several times its size."""
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="conversion")
        self._skit = skit
        self._tts, self._stt = tts, stt
        self._language = stt.param("language")
        self._templates: OrderedDict[tuple[object, ...], CallTemplate] = OrderedDict()

    def speech_template(self, voice: str, speed: float) -> CallTemplate:
        """Return the call's template for a voice that there is."""
        params = {**self.voices.params[voice], "speed": speed}
        return self._template(("tts", voice, speed), self._tts, params)

    def transcription_template(self, language: str | None) -> CallTemplate:
        """Return the call's template for a language, or for the pipeline's own."""
        params = {"language": language} if language is not None else {}
        return self._template(("stt", language), self._stt, params)

    def language_to_set(self, language: str | None) -> str | None:
        """Return a language that has to be set on the pipeline; None for the pipeline's own."""
        return None if language == self._language else language

    async def close(self, _app: web.Application) -> None:
        """End the threads; those under way have been given up by their requests."""
        self.pool.shutdown(wait=False, cancel_futures=True)

    def _template(
        self, key: tuple[str, *tuple[object, ...]], base: Pipeline, params: Mapping[str, object]
    ) -> CallTemplate:
        template = self._templates.get(key)
        if template is None:
            template = self._skit.template(key[0], base.with_params(params))
            self._templates[key] = template
            if len(self._templates) > MAX_TEMPLATES:
                self._templates.popitem(last=False)
        self._templates.move_to_end(key)
        return template


RESOURCES = web.AppKey("openai_resources", Resources)
