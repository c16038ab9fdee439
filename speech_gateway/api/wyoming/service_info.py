"""What the gateway tells of itself: models, languages, voices, and what it can stream."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import PurePath

from wyoming.event import Event
from wyoming.info import AsrModel, AsrProgram, Attribution, Info, TtsProgram, TtsVoice

from ... import __version__
from ...errors import UpstreamError
from ...pipelines import Pipeline
from ...pipelines.voices import Voices
from ...upstream.health_check import HealthCheck
from ..languages import AUTO, NAMES

PROGRAM = "speech-gateway"
"""What Home Assistant names its entities by."""
ATTRIBUTION = Attribution(name="StreamKit", url="https://github.com/streamer45/streamkit")
ASKING_TIMEOUT = 0.5
"""Seconds for the backend to tell what it can do; Home Assistant waits a second for everything."""
ENGLISH_ONLY = (".en", "-en")
"""What names of Whisper's models have that know no other language."""


class ServiceInfo:
    """Tells of the service; what is told is made once, as long as it is the same."""

    def __init__(self, listening: Pipeline, voices: Voices, health_check: HealthCheck) -> None:
        self._model = PurePath(str(listening.param("model_path") or "whisper")).stem
        self._language = listening.param("language")
        self._voices = voices
        self._health_check = health_check
        self._told = lru_cache(maxsize=1)(self._made)

    async def event(self) -> Event:
        """Return what is told; of what the backend does not tell in time, what may be expected."""
        with suppress(UpstreamError, TimeoutError):
            async with asyncio.timeout(ASKING_TIMEOUT):
                await self._health_check.abilities()
        return self._told(self._health_check.known_abilities.languages)

    def _made(self, known: frozenset[str] | None) -> Event:
        asr = _asr(self._model, self._languages(known))
        return Info(asr=[asr], tts=[_tts(self._voices)]).event()

    def _languages(self, known: frozenset[str] | None) -> list[str]:
        """Return the languages that are understood, the pipeline's own first.

        Args:
            known: those that the backend tells, if it does.
        """
        language = self._language
        own = [language] if isinstance(language, str) and language != AUTO else []
        if known is None:
            english = any(mark in self._model for mark in ENGLISH_ONLY)
            known = frozenset(own if english else NAMES)
        return own + sorted(known - {AUTO, *own}) or sorted(NAMES)


def _asr(model: str, languages: list[str]) -> AsrProgram:
    whisper = AsrModel(
        name=model,
        languages=languages,
        attribution=ATTRIBUTION,
        installed=True,
        description="Whisper, or what the backend transcribes with",
        version=None,
    )
    return AsrProgram(
        name=PROGRAM,
        models=[whisper],
        attribution=ATTRIBUTION,
        installed=True,
        description="Speech to text",
        version=__version__,
        supports_transcript_streaming=True,
    )


def _tts(voices: Voices) -> TtsProgram:
    return TtsProgram(
        name=PROGRAM,
        voices=list(_voices(voices)),
        attribution=ATTRIBUTION,
        installed=True,
        description="Text to speech",
        version=__version__,
        supports_synthesize_streaming=True,
    )


def _voices(voices: Voices) -> Iterator[TtsVoice]:
    for name in voices.params:
        described = voices.about.get(name, {}).get("description")
        yield TtsVoice(
            name=name,
            languages=[voices.language(name)],
            attribution=ATTRIBUTION,
            installed=True,
            description=f"{name}: {described}" if described else name,
            version=None,
        )
