"""Clients of OpenAI's live transcription, unmodified: each hears what was said, as it is said."""

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import RawClient, connect
from tests.support.metrics_page import sum_of
from tests.support.paths import ROOT
from tests.support.polling import until
from tests.support.program import serving_program
from tests.support.speech import SENTENCES, recording
from tests.support.word_errors import word_errors

pytestmark = pytest.mark.timeout(180)

FOX, _, WEATHER, _ = SENTENCES
ENVIRONMENTS = ROOT / ".venv-clients"
SET_UP_TIMEOUT = 60.0
MOST_WORD_ERRORS = 2
"""Of some seventeen words; Whisper's smallest model hears them."""


@dataclass(frozen=True)
class Case:
    """A client, in one of its ways to use the API."""

    environment: str
    """Below .venv-clients; none is the one that runs the tests."""
    script: str
    mode: str
    sentences: tuple[str, ...] = (FOX, WEATHER)
    utterances: int = 2
    """In how many results the sentences come."""
    pause: float = 1.2
    """Seconds of silence before, between and behind the sentences."""
    shows_interims: bool = True
    """Whether it promises words while the recording is still played."""
    speaks: bool = False
    """Whether it has something spoken, too."""

    @property
    def python(self) -> Path:
        if not self.environment:
            return Path(sys.executable)
        return ENVIRONMENTS / self.environment / "bin" / "python"

    def __str__(self) -> str:
        return f"{self.script} {self.mode}"


CASES = (
    Case("livekit", "livekit_client", "server-vad"),
    Case("livekit", "livekit_client", "own-vad"),
    Case("livekit", "livekit_client", "own-vad-languages"),
    Case("pipecat", "pipecat_client", "own-vad"),
    Case("pipecat", "pipecat_client", "server-vad"),
    Case(
        *("openai-agents", "openai_agents_client", "semantic-vad"),
        shows_interims=False,
        speaks=True,
    ),
    Case("openai", "openai_sdk_client", "server-vad"),
    Case("openai", "openai_sdk_client", "semantic-vad"),
    Case("openai", "openai_sdk_client", "commit", utterances=1, speaks=True),
    Case("wyoming-openai", "wyoming_openai_client", "commit", utterances=1, speaks=True),
    Case(
        *("", "home_assistant_client", "server-vad", (FOX,), 1),
        pause=0.8,  # by then Home Assistant takes it for the end
        shows_interims=False,
    ),
)


@dataclass(frozen=True)
class Session:
    """What a client gave to its application, and what the gateway counted meanwhile."""

    case: Case
    told: dict[str, Any]
    metrics: str = field(repr=False)

    def counted(self, **labels: str) -> float:
        return sum_of(self.metrics, "gateway_api_requests_total", endpoint="stt", **labels)


@pytest.fixture(scope="module", params=CASES, ids=str)
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Session:
    case: Case = request.param
    if not case.python.exists():
        pytest.skip(f"{case.environment} is not set up; make clients does it")
    wav = tmp_path_factory.mktemp("clients") / "recording.wav"
    wav.write_bytes(recording(*case.sentences, pause=case.pause))
    return asyncio.run(_session(case, wav))


async def _session(case: Case, wav: Path) -> Session:
    """Play a recording to a client of a gateway that has nothing else to do."""
    async with serving_program("--skit-url", "embedded", "--openai") as gateway:
        log = asyncio.create_task(gateway.pass_on_log("ERROR"))
        async with await connect(gateway.port) as client:
            await until(lambda: _is_ready(client), SET_UP_TIMEOUT)
            told = await _told(case, f"http://127.0.0.1:{gateway.port}", wav)
            metrics = (await client.ask("GET", "/metrics")).body.decode()
        log.cancel()
    return Session(case, told, metrics)


async def _is_ready(client: RawClient) -> bool:
    return (await client.ask("GET", "/readyz")).status == 200


async def _told(case: Case, url: str, wav: Path) -> dict[str, Any]:
    words = ("-m", f"tests.clients.{case.script}", url, str(wav), case.mode, str(case.utterances))
    process = await asyncio.create_subprocess_exec(
        case.python, *words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    told: dict[str, Any] = json.loads(out)
    return told


def test_nothing_goes_wrong(session: Session) -> None:
    assert session.told["errors"] == []


def test_the_words_are_those_that_were_said(session: Session) -> None:
    heard = " ".join(session.told["finals"])

    assert word_errors(" ".join(session.case.sentences), heard) <= MOST_WORD_ERRORS, heard


def test_each_utterance_has_a_result(session: Session) -> None:
    assert len(session.told["finals"]) == session.case.utterances


def test_words_come_before_the_recording_ends(session: Session) -> None:
    assert session.told["interims"] or not session.case.shows_interims


def test_something_is_spoken_where_the_client_asks_for_it(session: Session) -> None:
    assert bool(session.told["spoken_bytes"]) == session.case.speaks


def test_the_gateway_counts_each_utterance_as_served(session: Session) -> None:
    assert session.counted(api="realtime", code="200") == session.case.utterances
    assert session.counted() == session.case.utterances
