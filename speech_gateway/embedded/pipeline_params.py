"""What a pipeline asks of the bundled engine."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..pipelines import PipelineError, check, nodes
from .node_kinds import CHUNKER, SPEAKER, SPEECH_IN, SPEECH_OUT, TRANSCRIBER, NodeKinds, unknown
from .speaking import voice_names

KEPT = 32


class PlanError(Exception):
    """The pipeline cannot run here; ``status`` is 400 if it is wrong, 501 if unsupported."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class SpeakPlan:
    """Turn text into speech."""

    speed: float = 1.0
    voice: str = voice_names.DEFAULT
    min_chunk: int = 10
    """Characters that a sentence must have to be spoken by itself."""


@dataclass(frozen=True, slots=True)
class TranscribePlan:
    """Turn speech into text."""

    language: str = "en"
    """A code of ISO 639, or ``auto``."""
    task: str = "transcribe"
    """Or ``translate``, into English."""
    word_timestamps: bool = False
    vad_threshold: float = 0.5
    min_silence_seconds: float = 0.7
    max_segment_seconds: float = 30.0


def plan_for(pipeline_yaml: str, kinds: NodeKinds) -> SpeakPlan | TranscribePlan:
    """Read a pipeline; raises PlanError."""
    try:
        document = check(pipeline_yaml)
    except PipelineError as error:
        raise PlanError(400, f"the pipeline {error}") from None
    return plan_of(document, kinds)


def plan_of(document: Mapping[str, Any], kinds: NodeKinds) -> SpeakPlan | TranscribePlan:
    """Return what a pipeline that was parsed asks for; raises PlanError."""
    params: dict[str, dict[str, Any]] = {}
    for node in nodes(document):
        kind, given = node["kind"], node.get("params") or {}
        if kind not in kinds:
            raise PlanError(501, f"{unknown(kind)}; this engine has no such node")
        for problem in kinds[kind].problems(given):
            raise PlanError(400, problem)
        params[kind] = {**kinds[kind].defaults(), **given}
    if SPEECH_OUT in params:
        return _speak_plan(
            params.get(SPEAKER) or kinds[SPEAKER].defaults(),
            params.get(CHUNKER) or kinds[CHUNKER].defaults(),
        )
    if SPEECH_IN in params:
        return _transcribe_plan(params.get(TRANSCRIBER) or kinds[TRANSCRIBER].defaults())
    raise PlanError(
        501,
        f"this engine runs pipelines with {SPEECH_OUT} or {SPEECH_IN}, and this one has neither",
    )


class Plans:
    """The plans of pipelines; those that came last are not read again, which takes 5 ms."""

    def __init__(self, kinds: NodeKinds) -> None:
        self._kinds = kinds
        self._kept: OrderedDict[str, SpeakPlan | TranscribePlan] = OrderedDict()

    async def plan_for(self, pipeline_yaml: str) -> SpeakPlan | TranscribePlan:
        """Read a pipeline, in a thread if it is a new one; raises PlanError."""
        plan = self._kept.get(pipeline_yaml)
        if plan is None:
            plan = await asyncio.to_thread(plan_for, pipeline_yaml, self._kinds)
            self._kept[pipeline_yaml] = plan
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return plan


def _speak_plan(speaker: Mapping[str, Any], chunker: Mapping[str, Any]) -> SpeakPlan:
    return SpeakPlan(
        speed=float(speaker["speed"]),
        voice=speaker.get("voice") or voice_names.of_speaker(speaker["speaker_id"]),
        min_chunk=chunker["min_length"],
    )


def _transcribe_plan(transcriber: Mapping[str, Any]) -> TranscribePlan:
    return TranscribePlan(
        language=transcriber["language"],
        task=transcriber["task"],
        word_timestamps=transcriber["word_timestamps"],
        vad_threshold=float(transcriber["vad_threshold"]),
        min_silence_seconds=transcriber["min_silence_duration_ms"] / 1000,
        max_segment_seconds=float(transcriber["max_segment_duration_secs"]),
    )
