"""What the backend says of the pipelines, and what becomes of it on /readyz and in the log."""

import asyncio
import logging
from collections.abc import Mapping

import pytest

from speech_gateway.pipelines import Pipeline, packaged
from speech_gateway.upstream import pipeline_check, questions
from tests.support.backend import ScriptedBackend
from tests.support.gateway import Served
from tests.support.polling import until
from tests.support.program import program

pytestmark = pytest.mark.usefixtures("unwatched")

NODES, VALIDATE = "/api/v1/schema/nodes", "/api/v1/validate"
KINDS = [kind for name in ("tts", "stt") for kind in packaged(name).kinds()]


def node(kind: str, params: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return a node as StreamKit describes it."""
    schema = {"type": "object", "properties": params or {}}
    return {"kind": kind, "param_schema": schema, "inputs": [], "outputs": [], "categories": []}


ALL_NODES = [node(kind) for kind in KINDS if not kind.startswith("streamkit::")]
"""As older servers list them: without the two ends."""


async def readyz(gateway: Served) -> tuple[int, str]:
    response = await gateway.ask("GET", "/readyz")
    return response.status, response.text


async def test_a_backend_with_all_nodes_is_ready(gateway: Served, backend: ScriptedBackend) -> None:
    backend.bodies = {NODES: ALL_NODES, VALIDATE: {"valid": True, "errors": [], "warnings": []}}

    assert await readyz(gateway) == (200, "ready\n")
    validated = [c for c in backend.asked if c.request_line.startswith(f"POST {VALIDATE} ")]
    asked = [call.question() for call in validated]
    assert [question["mode"] for question in asked] == ["oneshot"] * 2
    assert {Pipeline(question["yaml"]).kinds()[-3] for question in asked} == {
        "audio::opus::encoder",
        "plugin::native::whisper",
    }


async def test_a_missing_node_is_told(gateway: Served, backend: ScriptedBackend) -> None:
    backend.bodies = {NODES: [one for one in ALL_NODES if "kokoro" not in str(one["kind"])]}

    assert await readyz(gateway) == (
        503,
        "not ready: the speech backend cannot run the tts pipeline: it has no node "
        "plugin::native::kokoro\n",
    )


async def test_what_the_backend_finds_wrong_is_told(
    gateway: Served, backend: ScriptedBackend
) -> None:
    error = {"kind": "schema", "message": "Type mismatch: a produces b", "node_id": "step_1"}
    backend.bodies = {NODES: ALL_NODES, VALIDATE: {"valid": False, "errors": [error]}}

    status, text = await readyz(gateway)

    assert status == 503
    assert "pipeline: Type mismatch: a produces b" in text


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "500 Internal Server Error"])
async def test_where_the_list_is_not_to_be_had_health_has_to_do(
    gateway: Served, backend: ScriptedBackend, status: str
) -> None:
    backend.pages = {NODES: status}

    assert await readyz(gateway) == (200, "ready\n")
    assert not [call for call in backend.asked if VALIDATE in call.request_line]


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "405 Method Not Allowed"])
async def test_where_a_pipeline_cannot_be_judged_the_list_has_to_do(
    gateway: Served, backend: ScriptedBackend, status: str
) -> None:
    backend.bodies = {NODES: ALL_NODES}
    backend.pages = {VALIDATE: status}

    assert await readyz(gateway) == (200, "ready\n")


@pytest.mark.parametrize(
    "listed",
    [{}, [], [7, {"kind": 7}], [{"kind": "a", "param_schema": 7}], "text", None],
)
async def test_a_list_of_nonsense_breaks_nothing(
    gateway: Served, backend: ScriptedBackend, listed: object
) -> None:
    backend.bodies = {NODES: listed}

    status, _ = await readyz(gateway)

    assert status in (200, 503)


@pytest.mark.parametrize(
    "verdict",
    [{}, [], {"valid": False}, {"valid": False, "errors": 7}, {"valid": False, "errors": [7]}],
)
async def test_a_verdict_of_nonsense_breaks_nothing(
    gateway: Served, backend: ScriptedBackend, verdict: object
) -> None:
    backend.bodies = {NODES: ALL_NODES, VALIDATE: verdict}

    status, _ = await readyz(gateway)

    assert status in (200, 503)


async def test_the_backend_is_not_asked_again_within_a_minute(
    gateway: Served, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_gateway.upstream.backend_monitor.CACHE_SECONDS", 0.0)
    backend.bodies = {NODES: ALL_NODES}

    for _ in range(3):
        await readyz(gateway)

    assert len([call for call in backend.asked if NODES in call.request_line]) == 1


async def test_a_backend_that_was_gone_is_asked_again(
    gateway: Served, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_gateway.upstream.backend_monitor.CACHE_SECONDS", 0.0)
    backend.bodies = {NODES: ALL_NODES[1:]}
    assert (await readyz(gateway))[0] == 503

    backend.healthy = False
    await readyz(gateway)
    backend.healthy = True
    backend.bodies = {NODES: ALL_NODES}

    assert await readyz(gateway) == (200, "ready\n")


async def test_a_pipeline_that_was_mended_is_noticed_after_a_while(
    gateway: Served, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_gateway.upstream.backend_monitor.CACHE_SECONDS", 0.0)
    backend.bodies = {NODES: ALL_NODES[1:]}
    assert (await readyz(gateway))[0] == 503

    backend.bodies = {NODES: ALL_NODES}
    monkeypatch.setattr(pipeline_check, "KNOWN_FOR", 0.0)

    assert await readyz(gateway) == (200, "ready\n")


async def test_a_wrong_pipeline_is_told_at_the_start(backend: ScriptedBackend) -> None:
    backend.bodies = {NODES: ALL_NODES[1:]}

    async with program("--listen", "127.0.0.1:0", "--skit-url", backend.url) as run:
        await run.line("cannot run the tts pipeline: it has no node")


async def test_requests_are_tried_all_the_same(
    gateway: Served, backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    backend.bodies = {NODES: ALL_NODES[1:]}
    assert (await readyz(gateway))[0] == 503

    assert (await gateway.speak(b"Hello.")).status == 200
    await until(lambda: "cannot run the tts pipeline" in caplog.text)


async def hang(gateway: Served, backend: ScriptedBackend, path: str) -> None:
    """Have the backend never answer what is asked at path."""
    serve = backend.serve

    async def serve_others(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        if path.encode() in line:
            await reader.read()
            writer.close()
            return
        reader._buffer[:0] = line  # type: ignore[attr-defined]
        await serve(reader, writer)

    backend.serve = serve_others  # type: ignore[method-assign]


@pytest.mark.parametrize("path", [NODES, VALIDATE])
async def test_a_question_that_is_not_answered_takes_no_gateway_out(
    gateway: Served, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(pipeline_check, "QUESTION_TIMEOUT", 0.2)
    backend.bodies = {NODES: ALL_NODES}
    await hang(gateway, backend, path)

    assert await readyz(gateway) == (200, "ready\n")


async def test_a_list_that_is_too_long_is_no_list(
    gateway: Served, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "MAX_BODY", 100)
    backend.bodies = {NODES: ALL_NODES}

    assert await readyz(gateway) == (200, "ready\n")


async def test_what_the_backend_says_is_a_short_line(
    gateway: Served, backend: ScriptedBackend
) -> None:
    message = "bad\nnews \x1b[31m \ud800" + "x" * 100_000
    backend.bodies = {
        NODES: ALL_NODES,
        VALIDATE: {"valid": False, "errors": [{"message": message}]},
    }

    status, text = await readyz(gateway)

    assert (status, text.count("\n")) == (503, 1)
    assert r"bad\nnews \x1b[31m \ud800xxx" in text
    assert len(text) < 500


async def test_warnings_are_told_once(
    gateway: Served,
    backend: ScriptedBackend,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("speech_gateway.upstream.backend_monitor.CACHE_SECONDS", 0.0)
    monkeypatch.setattr(pipeline_check, "KNOWN_FOR", 0.0)
    warning = {"message": "Unknown parameter 'sped'"}
    backend.bodies = {NODES: ALL_NODES, VALIDATE: {"valid": True, "warnings": [warning]}}

    for _ in range(3):
        assert await readyz(gateway) == (200, "ready\n")

    told = [line for line in caplog.messages if "Unknown parameter 'sped'" in line]
    assert len(told) == 2, "of either pipeline"
