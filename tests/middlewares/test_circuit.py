"""The circuit: requests are refused at once while the backend is gone, and no longer than that."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from time import perf_counter

import pytest

from speech_gateway.upstream import backend_state
from tests.support.audio import opus_speech
from tests.support.backend import (
    OK_CHUNKED,
    BackendCall,
    ScriptedBackend,
    answer,
    chunk,
    hold,
    scripted_backend,
)
from tests.support.gateway import Served, serving
from tests.support.looks import circuit, look_often, problem, ready, until_back, until_gone
from tests.support.openai_api import FORM, JSON, ORDER, SPEECH_PATH, TRANSCRIPTIONS_PATH, form
from tests.support.polling import until
from tests.support.realtime import FAILED, PATH, realtime, silence, speech
from tests.support.wyoming import wyoming

DOWN = "the speech backend is down at the moment; try again in a few seconds"
AT_ONCE = 1.0
"""Seconds: far less than any timeout."""
ALL_APIS = ("--openai", "--wyoming-listen=127.0.0.1:0")
REQUESTS: dict[str, tuple[str, dict[str, str], bytes]] = {
    "speech": ("/tts", {}, b"Hello."),
    "an upload": ("/stt", {"Content-Type": "audio/ogg"}, b"OggS"),
    "speech for OpenAI's clients": (SPEECH_PATH, JSON, json.dumps(ORDER).encode()),
    "a file of OpenAI's clients": (TRANSCRIPTIONS_PATH, FORM, form([("file", opus_speech(0.1))])),
}


@pytest.fixture
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    look_often(monkeypatch)


@pytest.fixture
def place() -> Iterator[socket.socket]:
    """Where a backend may come to be: as long as nobody listens, whoever connects is refused."""
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield bound


def url_of(place: socket.socket) -> str:
    return f"http://127.0.0.1:{place.getsockname()[1]}"


@pytest.fixture
async def gone(looking_often: None, place: socket.socket) -> AsyncIterator[Served]:
    """A gateway whose backend is gone."""
    async with serving(url_of(place), *ALL_APIS) as gateway:
        await until_gone(gateway)
        yield gateway


async def test_the_first_requests_are_tried_and_later_ones_refused(
    place: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(url_of(place)) as gateway:
        with monkeypatch.context() as before_the_second_look:
            before_the_second_look.setattr(backend_state, "LOOKS_APART", 3600.0)
            first = await gateway.speak()
        await until_gone(gateway)
        second = await gateway.speak()

        assert (first.status, second.status) == (502, 503)
        assert second.text == f"{DOWN}\n"
        await gateway.settled()
        rejected = gateway.sample("gateway_rejected_total", endpoint="tts", reason="upstream_error")
        assert (gateway.count("tts", 502), gateway.count("tts", 503), rejected) == (1, 1, 1)


@pytest.mark.usefixtures("looking_often")
async def test_a_backend_whose_health_is_nonsense_is_called_all_the_same(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.pages["/healthz"] = "nonsense"
    await until(lambda: problem(gateway, "unhealthy"), equals=1)
    looks = len(backend.asked)

    await until(lambda: len(backend.asked) > looks + 5)

    assert circuit(gateway) == 0
    assert (await gateway.speak()).status == 200


@pytest.mark.parametrize("what", REQUESTS)
async def test_a_request_of_each_api_is_refused(
    gone: Served, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    path, headers, body = REQUESTS[what]
    endpoint = "tts" if "speech" in what else "stt"

    response = await gone.ask("POST", path, headers, body)

    assert response.status == 503
    assert DOWN in response.text
    assert 1 <= int(response.headers["retry-after"]) <= 6
    await gone.settled()
    assert gone.count(endpoint, 503) == 1
    (line,) = [record for record in caplog.records if "ended with 503" in record.getMessage()]
    assert "not tried: the speech backend cannot be reached" in line.__dict__["fields"]["why"]


@pytest.mark.parametrize("path", ["/tts", "/stt"])
async def test_it_is_refused_before_a_byte_of_the_body_is_read(gone: Served, path: str) -> None:
    async with await gone.connect() as client:
        client.request("POST", path, {"Content-Length": "10", "Expect": "100-continue"})

        status, headers = await client.head()

        assert (status, headers["connection"]) == (503, "close")


async def test_a_client_that_goes_on_sending_reads_why(gone: Served) -> None:
    async with await gone.connect() as client:
        client.begin_upload()
        for _ in range(64):
            client.chunk(bytes(16 * 1024))

        response = await client.response()

        assert (response.status, response.text, response.whole) == (503, f"{DOWN}\n", True)


async def test_what_can_be_judged_by_the_head_is_still_said(gone: Served) -> None:
    assert (await gone.ask("POST", "/tts", {"Content-Type": "image/png"}, b"x")).status == 415
    assert (await gone.ask("POST", "/tts", {}, b"")).status == 400


async def test_the_pages_are_served(gone: Served) -> None:
    assert (await gone.ask("GET", "/healthz")).status == 200
    assert (await gone.ask("GET", "/metrics")).status == 200
    assert (await gone.ask("GET", "/v1/models")).status == 200
    assert (await gone.ask("GET", "/readyz")).status == 503


async def test_what_is_said_on_a_realtime_socket_is_refused(gone: Served) -> None:
    async with realtime(gone) as client:
        await client.append(silence(0.5) + speech() + silence(1.0))

        failed = await client.event(FAILED)

    assert DOWN in failed["error"]["message"]
    assert gone.count("stt", 503, "GET") == 1


async def test_a_text_on_a_realtime_socket_is_refused(gone: Served) -> None:
    text = [{"type": "input_text", "text": "Hello."}]
    message = {"type": "message", "role": "user", "content": text}
    async with realtime(gone, PATH) as client:
        await client.send("response.create", response={"input": [message]})

        failed = await client.event("response.done")

    assert failed["response"]["status"] == "failed"
    assert gone.count("tts", 503, "GET") == 1


async def test_a_text_of_wyomings_is_refused(gone: Served) -> None:
    async with wyoming(gone) as client:
        await client.send("synthesize", text="Hello.")

        code, text = await client.error()

    assert (code, text) == ("503", DOWN)
    assert gone.count("tts", 503, "other") == 1


async def test_audio_of_wyomings_is_refused(gone: Served) -> None:
    async with wyoming(gone) as client:
        await client.send("transcribe")
        await client.send("audio-start", rate=24000, width=2, channels=1)
        await client.say(speech()[:50_000])

        code, text = await client.error()

    assert (code, text) == ("503", DOWN)


async def test_a_backend_that_has_come_back_is_used_at_once(
    gone: Served, place: socket.socket
) -> None:
    async with scripted_backend(listener=place):
        await until_back(gone)

        assert (await gone.speak()).status == 200


@pytest.mark.usefixtures("looking_often")
async def test_who_waits_at_the_gate_is_refused_when_the_backend_goes(
    backend: ScriptedBackend,
) -> None:
    hold(backend)
    async with serving(backend.url, "--max-concurrency=1") as gateway:
        holder, *waiters = [await gateway.connect() for _ in range(3)]
        holder.request("POST", "/tts", body=b"Hello.")
        await until(lambda: backend.seen, equals=1)
        for waiter in waiters:
            waiter.request("POST", "/tts", body=b"Hello.")
        await until(lambda: gateway.waiting("tts"), equals=2)

        backend.mute = True

        responses = [await waiter.response() for waiter in waiters]
        assert [(r.status, r.text) for r in responses] == [(503, f"{DOWN}\n")] * 2
        assert (gateway.waiting("tts"), backend.seen) == (0, 1)
        for client in (holder, *waiters):
            client.leave()


@pytest.mark.usefixtures("looking_often")
async def test_a_slot_is_given_to_the_next_after_the_waiters_were_refused(
    backend: ScriptedBackend,
) -> None:
    release = hold(backend)
    async with serving(backend.url, "--max-concurrency=1") as gateway:
        async with await gateway.connect() as holder, await gateway.connect() as waiter:
            holder.request("POST", "/tts", body=b"Hello.")
            await until(lambda: backend.seen, equals=1)
            waiter.request("POST", "/tts", body=b"Hello.")
            backend.mute = True
            assert (await waiter.response()).status == 503
            backend.mute = False
            release.set()
            assert (await holder.response()).status == 200
        await until_back(gateway)

        assert (await gateway.speak()).status == 200
        await until(lambda: gateway.sample("gateway_slots_held", endpoint="tts"), equals=0)


@pytest.mark.usefixtures("looking_often")
async def test_a_text_that_was_still_read_when_the_backend_went_is_refused(
    backend: ScriptedBackend,
) -> None:
    async with serving(backend.url) as gateway, await gateway.connect() as slow:
        slow.request("POST", "/tts", {"Content-Length": "10"})
        slow.write(b"slow")
        await until(lambda: gateway.inflight("tts"), equals=1)
        backend.mute = True
        await until_gone(gateway)

        slow.write(b" going")

        assert (await slow.response()).status == 503
        assert backend.seen == 0


@pytest.mark.usefixtures("looking_often")
async def test_a_backend_that_answers_calls_is_not_gone_however_slow_its_health(
    backend: ScriptedBackend,
) -> None:
    async with serving(backend.url) as gateway:
        backend.mute = True
        async with await gateway.connect() as client:
            end = perf_counter() + 1.5
            while perf_counter() < end:
                assert (await client.speak()).status == 200
                assert circuit(gateway) == 0

        assert (ready(gateway), problem(gateway, "timeout")) == (0, 1)


@pytest.mark.usefixtures("looking_often")
async def test_a_stream_that_goes_on_is_a_sign_of_life_until_it_stops(
    backend: ScriptedBackend,
) -> None:
    stops = asyncio.Event()

    async def speaks(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(OK_CHUNKED)
        while not stops.is_set():
            await call.write(chunk(b"sound"))
            await asyncio.sleep(0.02)
        await call.until_closed()

    backend.script = speaks
    async with serving(backend.url) as gateway, await gateway.connect() as client:
        client.request("POST", "/tts", body=b"Hello.")
        await client.head()
        backend.mute = True
        await until(lambda: problem(gateway, "timeout"), equals=1)
        assert circuit(gateway) == 0

        stops.set()

        await until_gone(gateway)


@pytest.mark.usefixtures("looking_often")
async def test_a_call_under_way_that_is_answered_closes_it(backend: ScriptedBackend) -> None:
    release = hold(backend)
    async with serving(backend.url) as gateway, await gateway.connect() as client:
        client.request("POST", "/tts", body=b"Hello.")
        await until(lambda: backend.seen, equals=1)
        backend.mute = True
        await until_gone(gateway)

        release.set()

        assert (await client.response()).status == 200
        assert circuit(gateway) == 0
        backend.mute = False
        await until_back(gateway)


@pytest.mark.usefixtures("looking_often")
@pytest.mark.parametrize("fault", ["unhealthy", "token_refused", "wrong_pipeline"])
async def test_a_backend_that_is_there_and_not_well_is_tried(
    backend: ScriptedBackend, fault: str
) -> None:
    if fault == "unhealthy":
        backend.healthy = False
    elif fault == "token_refused":
        backend.pages["/api/v1/schema/nodes"] = "401 Unauthorized"
    else:
        backend.bodies["/api/v1/schema/nodes"] = []
    async with serving(backend.url) as gateway:
        await until(lambda: problem(gateway, fault), equals=1)
        looks = len(backend.asked)
        await until(lambda: len(backend.asked) > looks + 2)

        assert (await gateway.speak()).status == 200


@pytest.mark.usefixtures("looking_often")
async def test_who_leaves_the_queue_as_it_opens_leaves_no_slot_behind(
    backend: ScriptedBackend,
) -> None:
    release = hold(backend)
    async with serving(backend.url, "--max-concurrency=1") as gateway:
        holder, waiter = [await gateway.connect() for _ in range(2)]
        holder.request("POST", "/tts", body=b"Hello.")
        await until(lambda: backend.seen, equals=1)
        waiter.request("POST", "/tts", body=b"Hello.")
        await until(lambda: gateway.waiting("tts"), equals=1)
        backend.mute = True
        await until_gone(gateway)
        waiter.leave()
        backend.mute = False
        release.set()
        assert (await holder.response()).status == 200
        holder.leave()
        await until_back(gateway)
        backend.script = lambda call: call.write(answer(b"sound"))

        assert (await gateway.speak()).status == 200
