"""The backend refuses the gateway's own token: who is told what, and how it ends."""

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from speech_gateway.config import watched_file
from speech_gateway.upstream import backend_monitor, health_check
from speech_gateway.upstream.bearer_token import BearerToken
from tests.support.audio import opus_speech
from tests.support.backend import BackendCall, Script, ScriptedBackend, answer, says
from tests.support.client import Response
from tests.support.gateway import Served, serving
from tests.support.openai_api import FORM, JSON, ORDER, SPEECH_PATH, TRANSCRIPTIONS_PATH, form
from tests.support.polling import until

pytestmark = pytest.mark.usefixtures("unwatched")

OLD, NEW = "token-of-yesterday", "token-of-today"
INSIDE = b"the role may not use core::file_reader"
NODES = "/api/v1/schema/nodes"
NOT_READY = (503, "not ready: the backend refuses the gateway's token\n")
READY = (200, "ready\n")
SPEECH = opus_speech(0.1)
REQUESTS: dict[str, tuple[str, dict[str, str], bytes]] = {
    "speech": ("/tts", {}, b"Hello."),
    "an upload": ("/stt", {"Content-Type": "audio/ogg"}, SPEECH),
    "speech for OpenAI's clients": (
        SPEECH_PATH,
        JSON,
        json.dumps(ORDER | {"response_format": "mp3"}).encode(),
    ),
    "a file of OpenAI's clients": (TRANSCRIPTIONS_PATH, FORM, form([("file", SPEECH)])),
}


def wants(token: str, status: str = "401 Unauthorized") -> Script:
    """Return a script that takes calls with that token alone."""

    async def script(call: BackendCall) -> None:
        await call.whole_media()
        good = call.headers.get("authorization") == f"Bearer {token}"
        await call.write(answer(SPEECH) if good else answer(INSIDE, status, "text/plain"))

    return script


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files looked at, and the backend asked, without the usual pauses."""
    monkeypatch.setattr(watched_file, "CHECK_INTERVAL", 0.01)
    monkeypatch.setattr(watched_file, "SETTLE_TIME", 0.01)
    monkeypatch.setattr(backend_monitor, "CACHE_SECONDS", 0.0)


@pytest.fixture
def questions_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a question's answer count at once, though a call told otherwise a moment ago."""
    monkeypatch.setattr(health_check, "CALL_OUTWEIGHS_QUESTION", 0.0)


@pytest.fixture
def slow_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the file looked at only when there is a reason to."""
    monkeypatch.setattr(watched_file, "CHECK_INTERVAL", 60.0)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(OLD)
    return path


@pytest.fixture
async def on_file(backend: ScriptedBackend, token_file: Path) -> AsyncIterator[Served]:
    """A gateway that has its token from a file."""
    async with serving(backend.url, "--token-file", str(token_file)) as served:
        yield served


async def ask(gateway: Served, what: str = "speech") -> Response:
    path, headers, body = REQUESTS[what]
    return await gateway.ask("POST", path, headers, body)


async def readyz(gateway: Served) -> tuple[int, str]:
    response = await gateway.ask("GET", "/readyz")
    return response.status, response.text


async def refused_its_token(gateway: Served, backend: ScriptedBackend) -> None:
    """Have a call refused: the backend takes another token now."""
    backend.script = wants(NEW)
    await ask(gateway)
    assert await readyz(gateway) == NOT_READY


async def until_ready(gateway: Served) -> None:
    await until(lambda: readyz(gateway), 20, equals=READY)


def why(caplog: pytest.LogCaptureFixture) -> str:
    (line,) = [record for record in caplog.records if "ended with" in record.getMessage()]
    fields: dict[str, str] = line.__dict__["fields"]
    return fields["why"]


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
@pytest.mark.parametrize("what", REQUESTS)
async def test_a_refusal_of_the_gateways_token_is_no_clients_fault(
    backend: ScriptedBackend, caplog: pytest.LogCaptureFixture, what: str, status: str
) -> None:
    backend.script = says(answer(INSIDE, status, "text/plain"))
    caplog.set_level(logging.DEBUG)
    async with serving(backend.url, "--openai", "--token", OLD) as gateway:
        response = await ask(gateway, what)
        await gateway.settled()

        endpoint = "tts" if "speech" in what else "stt"
        rejected = gateway.sample(
            "gateway_rejected_total", endpoint=endpoint, reason="upstream_error"
        )

    assert (response.status, gateway.count(endpoint, 502), rejected) == (502, 1, 1)
    assert INSIDE not in response.body
    assert "token" not in response.text
    assert f"refuses the gateway's own token ({status[:3]})" in why(caplog)
    assert OLD not in caplog.text


async def test_the_log_tells_that_a_token_is_missing(
    gateway: Served, backend: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.script = says(answer(INSIDE, "401 Unauthorized"))
    caplog.set_level(logging.INFO)

    assert (await ask(gateway)).status == 502
    await gateway.settled()

    assert "wants a token (401), and the gateway has none" in why(caplog)


async def test_it_is_not_ready_until_a_call_is_accepted(
    backend: ScriptedBackend, on_file: Served
) -> None:
    await refused_its_token(on_file, backend)

    backend.script = wants(OLD)
    assert (await ask(on_file)).status == 200

    assert await readyz(on_file) == READY


async def test_a_changed_file_makes_it_ready_again(
    backend: ScriptedBackend, on_file: Served, token_file: Path
) -> None:
    await refused_its_token(on_file, backend)

    token_file.write_text(NEW + "\n")

    await until_ready(on_file)
    assert (await ask(on_file)).status == 200
    assert backend.seen == 2


@pytest.mark.usefixtures("questions_count")
async def test_without_traffic_it_asks_whether_the_token_is_good_again(
    backend: ScriptedBackend, on_file: Served
) -> None:
    backend.pages[NODES] = "401 Unauthorized"
    await refused_its_token(on_file, backend)
    assert await readyz(on_file) == NOT_READY

    backend.pages[NODES] = "200 OK"

    assert await readyz(on_file) == READY
    (asked, *_) = [call for call in backend.asked if NODES in call.request_line]
    assert asked.headers["authorization"] == f"Bearer {OLD}"
    assert backend.seen == 1


@pytest.mark.usefixtures("questions_count")
async def test_where_the_backend_cannot_be_asked_another_call_has_to_tell(
    backend: ScriptedBackend, on_file: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.pages[NODES] = "404 Not Found"
    await refused_its_token(on_file, backend)

    monkeypatch.setattr(health_check, "CALL_OUTWEIGHS_SILENCE", 0.0)

    assert await readyz(on_file) == READY


@pytest.mark.parametrize(
    ("status", "expected"),
    [("401 Unauthorized", NOT_READY), ("403 Forbidden", READY), ("404 Not Found", READY)],
    ids=["wrong", "allowed not to ask but perhaps to call", "not to be asked"],
)
async def test_a_token_is_tried_before_the_first_call(
    backend: ScriptedBackend, on_file: Served, status: str, expected: tuple[int, str]
) -> None:
    backend.pages[NODES] = status

    assert await readyz(on_file) == expected


@pytest.mark.usefixtures("slow_looks")
async def test_a_text_is_sent_again_with_a_token_that_has_changed(
    backend: ScriptedBackend, on_file: Served, token_file: Path
) -> None:
    backend.script = wants(NEW, "403 Forbidden")
    token_file.write_text(NEW)

    response = await ask(on_file)

    assert (response.status, response.body) == (200, SPEECH)
    assert backend.seen == 2
    assert await readyz(on_file) == READY


async def test_a_text_is_sent_again_once(
    backend: ScriptedBackend, on_file: Served, token_file: Path
) -> None:
    backend.script = wants("another")
    token_file.write_text(NEW)

    assert (await ask(on_file)).status == 502
    assert backend.seen <= 2


@pytest.mark.usefixtures("slow_looks")
async def test_an_upload_that_is_refused_has_the_file_read_for_the_next(
    backend: ScriptedBackend, on_file: Served, token_file: Path
) -> None:
    backend.script = wants(NEW)
    token_file.write_text(NEW)

    assert (await ask(on_file, "an upload")).status == 502
    assert (await ask(on_file, "an upload")).status == 200


@pytest.mark.parametrize("how", ["emptied", "removed", "spoilt"])
async def test_a_file_that_holds_no_token_any_more_changes_nothing(
    backend: ScriptedBackend,
    on_file: Served,
    token_file: Path,
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    caplog.set_level(logging.ERROR)
    backend.script = wants(OLD)
    token_file.unlink() if how == "removed" else token_file.write_text(
        "" if how == "emptied" else "two words"
    )
    await until(
        lambda: caplog.text, 20, holds=lambda log: "the changed backend's token is not taken" in log
    )

    assert (await ask(on_file)).status == 200
    assert (await ask(on_file)).status == 200
    assert caplog.text.count("not taken") == 1
    assert "two words" not in caplog.text


def test_a_refusal_of_an_older_token_says_nothing_of_the_newer() -> None:
    token = BearerToken(NEW)

    token.refuse(OLD)

    assert not token.refused
