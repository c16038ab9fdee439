"""Home Assistant, unmodified: hears and speaks with the gateway, for itself and for a satellite."""

import asyncio
import io
import wave
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from speech_gateway.tasks import cancel_and_wait
from tests.clients.hass_process import ANSWER, QUESTION, home_assistant
from tests.clients.hass_user import HomeAssistantUser, first_user
from tests.clients.satellite import RATE, satellite
from tests.support.client import connect
from tests.support.metrics_page import sum_of
from tests.support.paths import ROOT
from tests.support.polling import until
from tests.support.program import Program, serving_program
from tests.support.speech import FOX, samples_of, spoken
from tests.support.word_errors import word_errors

pytestmark = pytest.mark.timeout(180)

ENVIRONMENTS = ROOT / ".venv-clients"
SET_UP_TIMEOUT = 60.0
RELEASES = ("home-assistant", "home-assistant-2026")
"""Environments; the newer release has texts spoken in parts (synthesize-start)."""
SATELLITE = "wyoming-satellite"
MOST_WORD_ERRORS = 1
"""Of some nine words; Whisper's smallest model hears them."""


@dataclass
class Visit:
    """What Home Assistant was told and has told, and what the gateway counted meanwhile."""

    title: str = ""
    voices: list[str] = field(default_factory=list)
    round_trip: str = ""
    """What Home Assistant heard of what it had spoken."""
    question: str = ""
    """What it heard of what was said to the satellite."""
    answer: str = ""
    """What it said it would answer."""
    speaker: str = ""
    """What was heard of what the satellite's speaker played."""
    metrics: str = field(default="", repr=False)

    def counted(self, **labels: str) -> float:
        return sum_of(self.metrics, "gateway_api_requests_total", api="wyoming", **labels)


@pytest.fixture(scope="module", params=RELEASES)
def visit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Visit:
    for environment in (request.param, SATELLITE):
        if not _python(environment).exists():
            pytest.skip(f"{environment} is not set up; make clients does it")
    return asyncio.run(_visit(_python(request.param), tmp_path_factory.mktemp("hass")))


def _python(environment: str) -> Path:
    return ENVIRONMENTS / environment / "bin" / "python"


async def _visit(python: Path, folder: Path) -> Visit:
    seen = Visit()
    wyoming = ("--wyoming-listen", "127.0.0.1:0")
    async with serving_program("--skit-url", "embedded", *wyoming) as gateway:
        port = int((await gateway.line(r"Wyoming on 127\.0\.0\.1:(\d+)"))[1])
        log = asyncio.create_task(gateway.pass_on_log("ERROR"))
        try:
            await until(lambda: _is_ready(gateway), SET_UP_TIMEOUT)
            async with home_assistant(python, folder) as pages, first_user(pages) as user:
                await _use(user, port, seen)
                await _ask_satellite(user, folder, seen)
            async with await connect(gateway.port) as client:
                seen.metrics = (await client.ask("GET", "/metrics")).body.decode()
        finally:
            await cancel_and_wait(log)
    return seen


async def _use(user: HomeAssistantUser, port: int, seen: Visit) -> None:
    """Have something spoken and heard, and leave an assistant set up."""
    seen.title = await user.add_wyoming(port)
    seen.voices = await user.voices()
    seen.round_trip = await user.transcribe(_wav(samples_of(await user.speak(FOX), RATE)))
    await user.add_assistant(seen.voices[0])


async def _ask_satellite(user: HomeAssistantUser, folder: Path, seen: Visit) -> None:
    async with satellite(_python(SATELLITE), folder) as kitchen:
        assert await user.add_wyoming(kitchen.port) == "kitchen"
        await kitchen.ready()
        played = await kitchen.ask(samples_of(spoken(QUESTION), RATE))
        seen.question, seen.answer = kitchen.told("transcript"), kitchen.told("answer")
        seen.speaker = await user.transcribe(_wav(played))


async def _is_ready(gateway: Program) -> bool:
    async with await connect(gateway.port) as client:
        return (await client.ask("GET", "/readyz")).status == 200


def _wav(samples: bytes) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as wav:
        wav.setparams((1, 2, RATE, 0, "NONE", ""))
        wav.writeframes(samples)
    return out.getvalue()


def test_the_integration_bears_the_gateways_name(visit: Visit) -> None:
    assert visit.title == "speech-gateway"


def test_there_are_voices_to_choose_from(visit: Visit) -> None:
    assert {"alloy", "heart"} <= set(visit.voices)


def test_what_home_assistant_has_spoken_it_hears(visit: Visit) -> None:
    assert word_errors(FOX, visit.round_trip) <= MOST_WORD_ERRORS, visit.round_trip


def test_what_is_said_to_a_satellite_is_understood(visit: Visit) -> None:
    assert word_errors(QUESTION, visit.question) <= MOST_WORD_ERRORS, visit.question


def test_the_answer_is_home_assistants(visit: Visit) -> None:
    assert visit.answer == ANSWER


def test_the_satellite_speaks_the_answer(visit: Visit) -> None:
    assert word_errors(visit.answer, visit.speaker) <= MOST_WORD_ERRORS, visit.speaker


def test_the_gateway_counts_each_text_and_recording_as_served(visit: Visit) -> None:
    assert visit.counted(endpoint="tts", code="200") == 2
    assert visit.counted(endpoint="stt", code="200") == 3
    assert visit.counted() == 5
