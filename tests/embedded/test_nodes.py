"""What the engine tells of its nodes, and what it says of a pipeline."""

import json
from typing import Any

import pytest

from speech_gateway.embedded.node_kinds import NodeKinds, node_kinds
from speech_gateway.embedded.pipeline_params import (
    PlanError,
    SpeakPlan,
    TranscribePlan,
    plan_for,
)
from speech_gateway.embedded.pipeline_validation import validate
from speech_gateway.pipelines import packaged
from tests.support.client import connect
from tests.support.engine import StandaloneEngine

TTS, STT = packaged("tts").yaml, packaged("stt").yaml
ENGLISH = node_kinds(["en"], translates=False)
MULTILINGUAL = node_kinds(["en", "de"], translates=True)


async def ask(engine: StandaloneEngine, method: str, path: str, body: object = None) -> Any:
    async with await connect(engine.port) as client:
        data = json.dumps(body).encode() if body is not None else None
        response = await client.ask(method, path, {"Content-Type": "application/json"}, data)
    assert response.status == 200, response.text
    return json.loads(response.body)


async def test_the_engine_lists_its_nodes_as_streamkit_does(engine: StandaloneEngine) -> None:
    nodes = await ask(engine, "GET", "/api/v1/schema/nodes")

    by_kind = {node["kind"]: node for node in nodes}
    assert {*packaged("tts").kinds(), *packaged("stt").kinds()} <= by_kind.keys()
    for node in nodes:
        assert node.keys() == {
            *("kind", "description", "param_schema", "inputs", "outputs", "categories"),
            "bidirectional",
        }
    params = by_kind["plugin::native::whisper"]["param_schema"]["properties"]
    assert params["word_timestamps"]["type"] == "boolean"
    assert params["task"]["enum"] == ["transcribe"], "the packaged model translates nothing"


@pytest.mark.parametrize("name", ["tts", "stt"])
async def test_the_packaged_pipelines_are_valid(engine: StandaloneEngine, name: str) -> None:
    asked = {"yaml": packaged(name).yaml, "mode": "oneshot"}

    verdict = await ask(engine, "POST", "/api/v1/validate", asked)

    assert (verdict["valid"], verdict["errors"], verdict["warnings"]) == (True, [], [])
    assert len(verdict["graph"]["nodes"]) == len(packaged(name).kinds())
    assert len(verdict["graph"]["connections"]) == len(packaged(name).kinds()) - 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"yaml": 7}', b"\xff"])
async def test_a_question_that_is_none_is_refused(engine: StandaloneEngine, body: bytes) -> None:
    async with await connect(engine.port) as client:
        response = await client.ask("POST", "/api/v1/validate", {}, body)

    assert (response.status, response.text) == (
        400,
        "the body must be a JSON object with the text 'yaml'\n",
    )


@pytest.mark.parametrize(
    ("pipeline", "kind", "message"),
    [
        ("mode: [", "parse", "not YAML"),
        ("mode: dynamic", "parse", "not a oneshot pipeline"),
        (TTS.replace("native::kokoro", "native::piper"), "schema", "plugin::native::piper"),
        (TTS.replace("speed: 1.0", "speed: 9"), "schema", "speed must be from 0.25 to 4"),
        (STT.replace("language: en", "language: xx"), "schema", "language must be one of en, auto"),
        (STT.replace("vad_threshold: 0.5", "vad_threshold: high"), "schema", "must be a number"),
        (
            STT.replace("models/ggml-tiny-q5_1.bin", "/etc"),
            "schema",
            "what the engine was started with",
        ),
        (
            TTS.replace("audio::opus::encoder", "audio::opus::decoder"),
            "connection",
            "Type mismatch",
        ),
    ],
)
def test_a_wrong_pipeline_is_told(pipeline: str, kind: str, message: str) -> None:
    verdict = validate(pipeline, ENGLISH)

    assert not verdict.as_json()["valid"]
    assert (verdict.errors[0]["kind"], message in verdict.errors[0]["message"]) == (kind, True)


def test_an_unknown_parameter_is_a_warning() -> None:
    verdict = validate(TTS.replace("speed: 1.0", "sped: 1.0"), ENGLISH)

    assert verdict.as_json()["valid"]
    assert "Unknown parameter 'sped'" in verdict.warnings[0]["message"]


def test_named_nodes_are_judged_by_what_they_need() -> None:
    pipeline = """
mode: oneshot
nodes:
  in: {kind: 'streamkit::http_input'}
  chunker: {kind: 'core::text_chunker', needs: in}
  out: {kind: 'streamkit::http_output', needs: [chunker, gone]}
"""
    messages = [error["message"] for error in validate(pipeline, ENGLISH).errors]

    assert any("Type mismatch: 'chunker'" in message for message in messages)
    assert any("'gone' does not exist" in message for message in messages)


@pytest.mark.parametrize(
    "pipeline",
    ["mode: oneshot\nsteps: 7", "mode: oneshot\nnodes: [1]", "mode: oneshot\nsteps: [7, {}]", "[]"],
)
def test_nonsense_is_judged_too(pipeline: str) -> None:
    assert validate(pipeline, ENGLISH).errors


def test_the_pipeline_is_the_plan() -> None:
    slow = packaged("tts", speed=0.5, speaker_id=3).yaml
    german = packaged("stt", language="de", task="translate", word_timestamps=True).yaml

    assert plan_for(TTS, ENGLISH) == SpeakPlan(voice="heart")
    assert plan_for(slow, ENGLISH) == SpeakPlan(speed=0.5, voice="espeak-f2", min_chunk=10)
    assert plan_for(STT, ENGLISH) == TranscribePlan()
    assert plan_for(german, MULTILINGUAL) == TranscribePlan("de", "translate", word_timestamps=True)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"vad_threshold": 0.3}, {"vad_threshold": 0.3}),
        ({"min_silence_duration_ms": 300}, {"min_silence_seconds": 0.3}),
        ({"max_segment_duration_secs": 8}, {"max_segment_seconds": 8.0}),
    ],
)
def test_the_parameters_of_streamkit_count(params: dict[str, Any], said: dict[str, float]) -> None:
    plan = plan_for(packaged("stt", **params).yaml, ENGLISH)

    assert plan == TranscribePlan(**said)  # type: ignore[arg-type]


@pytest.mark.parametrize("speed", ["fast", "0", "-1", "99", ".nan", "true"])
def test_an_impossible_speed_is_refused(speed: str) -> None:
    with pytest.raises(PlanError, match="speed must be"):
        plan_for(TTS.replace("speed: 1.0", f"speed: {speed}"), ENGLISH)


@pytest.mark.parametrize(
    ("kinds", "params", "status"),
    [
        (ENGLISH, {"language": "de"}, 400),
        (ENGLISH, {"task": "translate"}, 400),
        (ENGLISH, {"model_path": "/etc"}, 400),
        (ENGLISH, {"language": "auto"}, None),
        (MULTILINGUAL, {"language": "de", "task": "translate"}, None),
    ],
)
def test_what_the_model_cannot_is_refused(
    kinds: NodeKinds, params: dict[str, Any], status: int | None
) -> None:
    pipeline = packaged("stt", **params).yaml
    if status is None:
        plan_for(pipeline, kinds)
        return
    with pytest.raises(PlanError) as caught:
        plan_for(pipeline, kinds)
    assert caught.value.status == status


BOMB = "x: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    "more",
    [BOMB, "x: 2020-01-01\n", "x: !!binary aGk=\n", "x: &y [*y]\n", "x: .nan\n", "x: !!set {a}\n"],
)
async def test_whatever_yaml_holds_the_verdict_is_short(
    engine: StandaloneEngine, more: str
) -> None:
    verdict = await ask(engine, "POST", "/api/v1/validate", {"yaml": TTS + more})

    assert verdict["valid"]
    assert len(json.dumps(verdict)) < 5000


async def test_a_pipeline_that_is_too_long_is_refused(engine: StandaloneEngine) -> None:
    async with await connect(engine.port) as client:
        body = json.dumps({"yaml": "#" * 40_000}).encode()
        response = await client.ask("POST", "/api/v1/validate", {}, body)

    assert (response.status, response.text) == (400, "the pipeline is over 32768 characters\n")


def test_what_would_not_run_is_not_valid() -> None:
    ends = "[{kind: 'streamkit::http_input'}, {kind: 'streamkit::http_output'}]"
    pipeline = f"mode: oneshot\nsteps: {ends}"

    (error,) = validate(pipeline, ENGLISH).errors
    assert "this one has neither" in error["message"]


def test_an_unknown_kind_is_named_in_a_line() -> None:
    kind = "a\nb\ud800" + "x" * 1000
    with pytest.raises(PlanError, match=r"'a\\nb\\ud800x+'") as caught:
        plan_for(json.dumps({"mode": "oneshot", "steps": [
            {"kind": "streamkit::http_input"}, {"kind": "streamkit::http_output"}, {"kind": kind},
        ]}), ENGLISH)  # fmt: skip
    assert len(str(caught.value)) < 200
