"""What a pipeline asks of the bundled engine."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..pipelines import PipelineError, check, nodes, parse

SPEECH_OUT = "audio::opus::encoder"
SPEECH_IN = "audio::opus::decoder"
LANGUAGE = "en"
SLOWEST, FASTEST = 0.25, 4.0


class PlanError(Exception):
    """The pipeline cannot run here; ``status`` is 400 if it is wrong, 501 if unsupported."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class SpeakPlan:
    """Turn text into speech."""

    speed: float = 1.0
    speaker_id: int = 0
    min_chunk: int = 10
    """Characters that a sentence must have to be spoken by itself."""


@dataclass(frozen=True, slots=True)
class TranscribePlan:
    """Turn speech into text."""

    max_segment_seconds: float = 30.0


def plan_for(pipeline_yaml: str) -> SpeakPlan | TranscribePlan:
    """Read a pipeline; raises PlanError."""
    try:
        check(pipeline_yaml)
    except PipelineError as error:
        raise PlanError(400, f"the pipeline {error}") from None
    by_kind = {node["kind"]: node.get("params") or {} for node in nodes(parse(pipeline_yaml))}
    params: dict[str, Any] = {}
    for kind, given in by_kind.items():
        if not isinstance(given, Mapping):
            raise PlanError(400, f"the params of {kind} are not a mapping")
        if kind.startswith("plugin::"):
            params.update(given)
    if SPEECH_OUT in by_kind:
        chunker = by_kind.get("core::text_chunker", {})
        return SpeakPlan(
            speed=_number(params, "speed", 1.0, SLOWEST, FASTEST),
            speaker_id=int(_number(params, "speaker_id", 0, 0, 1_000_000)),
            min_chunk=int(_number(chunker, "min_length", 10, 0, 100_000)),
        )
    if SPEECH_IN in by_kind:
        if str(params.get("language", LANGUAGE)) not in (LANGUAGE, "auto"):
            raise PlanError(400, f"this engine hears {LANGUAGE} alone; language must be that")
        return TranscribePlan(
            max_segment_seconds=_number(params, "max_segment_duration_secs", 30.0, 1.0, 600.0)
        )
    raise PlanError(
        501,
        f"this engine runs pipelines with {SPEECH_OUT} or {SPEECH_IN}, and this one has neither",
    )


def _number(
    params: Mapping[str, Any], name: str, default: float, least: float, most: float
) -> float:
    value = params.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PlanError(400, f"{name} must be a number")
    if not least <= value <= most:
        raise PlanError(400, f"{name} must be from {least:g} to {most:g}")
    return float(value)
