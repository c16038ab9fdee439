"""Live transcription: which events come, in which order, and what the backend is sent."""

import asyncio

import pytest

from tests.support.audio import heard
from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    ScriptedBackend,
    chunk,
    hears_in_two,
    hold,
    says,
    transcript,
)
from tests.support.gateway import Served, serving
from tests.support.polling import until
from tests.support.realtime import (
    COMMITTED,
    COMPLETED,
    DELTA,
    FAILED,
    STARTED,
    STOPPED,
    RealtimeClient,
    realtime,
    silence,
    speech,
)

from .conftest import HEARD

SAID = silence(0.5) + speech() + silence(1.0)


async def media_of(backend: ScriptedBackend) -> bytes:
    """Return what the backend was sent in its next call; to be asked for before the call."""
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def script(call: BackendCall) -> None:
        media = await call.whole_media()
        if not received.done():
            received.set_result(media)
        await call.write(OK_CHUNKED + chunk(transcript(HEARD)) + LAST_CHUNK)

    backend.script = script
    return await received


async def test_the_server_finds_the_utterance_and_tells_all_of_it(client: RealtimeClient) -> None:
    await client.append(SAID)

    completed = await client.event(COMPLETED)
    assert client.kinds()[1:] == [STARTED, STOPPED, COMMITTED, DELTA, COMPLETED]
    assert completed["transcript"] == HEARD
    assert completed["content_index"] == 0
    assert completed["usage"]["type"] == "duration"
    assert completed["usage"]["seconds"] == pytest.approx(len(speech()) / 48_000 + 0.5, abs=0.6)
    assert len({event["item_id"] for event in client.events[1:]}) == 1


async def test_where_speech_begins_and_ends_is_told_in_milliseconds(client: RealtimeClient) -> None:
    await client.append(SAID)
    spoken_ms = len(speech()) // 48

    started, stopped = await client.event(STARTED), await client.event(STOPPED)
    assert started["audio_start_ms"] == pytest.approx(500 - 300, abs=150)
    assert stopped["audio_end_ms"] == pytest.approx(500 + spoken_ms + 500, abs=250)


async def test_the_backend_is_sent_the_speech_with_what_was_before_it(
    client: RealtimeClient, backend: ScriptedBackend
) -> None:
    media = asyncio.create_task(media_of(backend))
    await asyncio.sleep(0)
    await client.append(silence(3.0) + speech() + silence(1.0))

    samples, rate = heard(await media)
    seconds = len(samples) / rate
    assert seconds == pytest.approx(0.3 + len(speech()) / 48_000 + 0.5, abs=0.4)


async def test_the_backend_is_sent_no_packet_that_streamkit_drops(
    client: RealtimeClient, backend: ScriptedBackend
) -> None:
    media = asyncio.create_task(media_of(backend))
    await asyncio.sleep(0)
    await client.append(SAID)

    ogg = await media
    samples, _ = heard(ogg)
    assert len(ogg) > len(samples) / 48_000 * 8000  # as constant as it is told to be


async def test_the_call_begins_while_one_speaks_and_deltas_come_before_the_end(
    client: RealtimeClient, backend: ScriptedBackend
) -> None:
    backend.script = hears_in_two("The quick", "brown fox.")
    await client.append(silence(0.5) + speech())

    first = await client.event(DELTA)
    assert COMMITTED not in client.kinds()
    await client.append(silence(1.0))
    second, completed = await client.event(DELTA), await client.event(COMPLETED)
    assert first["delta"] + second["delta"] == completed["transcript"] == "The quick brown fox."


async def test_a_client_commits_what_it_takes_for_an_utterance(client: RealtimeClient) -> None:
    await client.update(turn_detection=None)
    await client.append(silence(0.2) + speech() + silence(1.0))
    await client.append(speech())
    await client.commit()

    completed = await client.event(COMPLETED)
    assert client.kinds().count(COMMITTED) == 1
    assert STARTED not in client.kinds()
    assert completed["usage"]["seconds"] == pytest.approx(2 * len(speech()) / 48_000 + 1.2, abs=0.1)


async def test_each_utterance_tells_the_one_before_it(client: RealtimeClient) -> None:
    await client.append(SAID + SAID)

    first = await client.event(COMMITTED)
    second = await client.event(COMMITTED)
    assert first["previous_item_id"] is None
    assert second["previous_item_id"] == first["item_id"]


async def test_transcripts_come_in_the_order_of_the_utterances(
    client: RealtimeClient, backend: ScriptedBackend
) -> None:
    release = hold(backend, OK_CHUNKED + chunk(transcript(HEARD)) + LAST_CHUNK)
    await client.append(SAID + silence(1.0))
    first = await client.event(COMMITTED)
    await client.commit()
    second = await client.event(COMMITTED)
    release.set()

    told = [(await client.event(COMPLETED))["item_id"] for _ in range(2)]
    assert told == [first["item_id"], second["item_id"]]


async def test_a_commit_of_next_to_nothing_is_an_error_that_names_it(
    client: RealtimeClient,
) -> None:
    await client.append(silence(0.09))
    await client.commit(event_id="mine")

    error = (await client.event("error"))["error"]
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert error["event_id"] == "mine"


async def test_so_is_a_commit_before_any_audio(client: RealtimeClient) -> None:
    await client.commit(event_id="mine")

    error = (await client.event("error"))["error"]
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "mine")


async def test_silence_that_is_committed_is_an_empty_transcript_without_a_call(
    client: RealtimeClient, backend: ScriptedBackend
) -> None:
    await client.append(silence(0.5))
    await client.commit()

    assert (await client.event(COMPLETED))["transcript"] == ""
    assert client.kinds()[1:] == [COMMITTED, COMPLETED]
    assert backend.seen == 0


async def test_a_commit_and_a_clear_are_answered_in_this_order(client: RealtimeClient) -> None:
    await client.append(silence(0.2) + speech())
    await client.commit(event_id="mine")
    await client.send("input_audio_buffer.clear")

    await client.event("input_audio_buffer.cleared")
    kinds = client.kinds()
    assert kinds.index(COMMITTED) < kinds.index("input_audio_buffer.cleared")


async def test_what_is_cleared_is_not_transcribed(
    client: RealtimeClient,
    backend: ScriptedBackend,
    gateway: Served,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    await client.update(turn_detection=None)
    await client.append(silence(0.2) + speech())
    await backend.calls.get()
    await client.send("input_audio_buffer.clear")
    await client.event("input_audio_buffer.cleared")
    await client.append(silence(0.5))
    await client.commit()

    assert (await client.event(COMPLETED, FAILED))["transcript"] == ""
    assert gateway.count("stt", 499, "GET") == 1
    assert gateway.count("stt", 200, "GET") == 0
    assert "the client had it forgotten" in str([vars(line) for line in caplog.records])


async def test_a_clear_before_any_audio_is_answered(client: RealtimeClient) -> None:
    await client.send("input_audio_buffer.clear")

    assert (await client.event())["type"] == "input_audio_buffer.cleared"


async def test_an_utterance_holds_a_slot_and_a_silent_socket_holds_none(
    backend: ScriptedBackend,
) -> None:
    release = hold(backend, OK_CHUNKED + chunk(transcript(HEARD)) + LAST_CHUNK)
    async with (
        serving(backend.url, "--openai", "--max-concurrency=1") as gateway,
        realtime(gateway) as first,
        realtime(gateway) as second,
    ):
        await first.append(silence(0.5))
        await second.append(SAID)
        await until(lambda: backend.seen, equals=1)
        await first.append(SAID)

        await until(lambda: gateway.waiting("stt"), equals=1)
        await first.event(COMMITTED)
        release.set()
        for client in (second, first):
            assert (await client.event(COMPLETED))["transcript"] == HEARD
        assert gateway.count("stt", 200, "GET") == 2


async def test_what_is_said_while_all_slots_are_taken_is_kept(backend: ScriptedBackend) -> None:
    sent: list[bytes] = []
    release = asyncio.Event()

    async def script(call: BackendCall) -> None:
        sent.append(await call.whole_media())
        await release.wait()
        await call.write(OK_CHUNKED + chunk(transcript(HEARD)) + LAST_CHUNK)

    backend.script = script
    async with (
        serving(backend.url, "--openai", "--max-concurrency=1") as gateway,
        realtime(gateway) as client,
    ):
        await client.append(SAID + SAID)
        await client.event(COMMITTED)
        await client.event(COMMITTED)
        release.set()

        for _ in range(2):
            await client.event(COMPLETED)
    first, second = (len(heard(media)[0]) for media in sent)
    assert second == pytest.approx(first, rel=0.1)


async def test_much_faster_than_speech_all_of_it_is_heard(
    client: RealtimeClient, gateway: Served
) -> None:
    await client.append(SAID * 12)

    for _ in range(12):
        assert (await client.event(COMPLETED))["transcript"] == HEARD
    assert gateway.count("stt", 200, "GET") == 12
    assert gateway.waiting("stt") == 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [("400 Bad Request", "invalid_request_error"), ("503 Service Unavailable", "server_error")],
)
async def test_a_refusal_of_the_backends_fails_the_utterance_alone(
    client: RealtimeClient, backend: ScriptedBackend, gateway: Served, status: str, kind: str
) -> None:
    script, backend.script = (
        backend.script,
        says(f"HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\nnope".encode()),
    )
    await client.append(SAID)

    failed = await client.event(FAILED)
    assert client.kinds().index(COMMITTED) < client.kinds().index(FAILED)
    assert failed["error"]["message"] == "nope"
    assert failed["error"]["type"] == kind
    assert gateway.count("stt", int(status[:3]), "GET") == 1
    backend.script = script
    await client.append(SAID)
    assert (await client.event(COMPLETED))["transcript"] == HEARD


async def test_a_full_queue_fails_the_utterance_and_says_why(backend: ScriptedBackend) -> None:
    hold(backend)
    async with (
        serving(backend.url, "--openai", "--max-concurrency=1", "--max-queue=0") as gateway,
        realtime(gateway) as first,
        realtime(gateway) as second,
    ):
        await first.append(SAID)
        await until(lambda: backend.seen, equals=1)
        await second.append(SAID)

        failed = await second.event(FAILED)
        assert "busy" in failed["error"]["message"]
        assert gateway.count("stt", 503, "GET") == 1


async def test_the_api_and_the_time_to_the_transcript_are_counted(
    client: RealtimeClient, gateway: Served
) -> None:
    open_sockets = gateway.sample("gateway_live_sockets", endpoint="stt")
    await client.append(SAID)
    await client.event(COMPLETED)

    assert open_sockets == 1
    assert (
        gateway.sample("gateway_api_requests_total", api="realtime", endpoint="stt", code="200")
        == 1
    )
    assert gateway.sample("gateway_live_transcript_seconds_count", endpoint="stt") == 1
    await client.ws.close()
    await until(lambda: gateway.sample("gateway_live_sockets", endpoint="stt"), equals=0)
    assert gateway.inflight("stt") == 0
