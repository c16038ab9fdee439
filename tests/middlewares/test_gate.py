"""The gate: how many pass, how the rest wait, and that every way out frees the slot."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from speech_gateway.middlewares.retry_after import SPREAD, Pace
from speech_gateway.middlewares.slots import Slots
from tests.support.backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    Script,
    ScriptedBackend,
    answer,
    chunk,
    hold,
    kept_media,
    says,
)
from tests.support.client import RawClient, connect_to_file
from tests.support.gateway import Served, serving
from tests.support.polling import until


@pytest.fixture
async def narrow(backend: ScriptedBackend) -> AsyncIterator[Served]:
    """A gateway with one slot and two places in the queue."""
    async with serving(backend.url, "--max-concurrency=1", "--max-queue=2") as served:
        yield served


async def occupied(gateway: Served, backend: ScriptedBackend) -> RawClient:
    """Return a client whose request holds a slot."""
    client = await gateway.connect()
    client.request("POST", "/tts", body=b"first")
    await backend.calls.get()
    return client


async def queued(gateway: Served, text: str = "later") -> RawClient:
    """Return a client whose request waits at the gate."""
    before = gateway.waiting("tts")
    client = await gateway.connect()
    client.request("POST", "/tts", body=text.encode())
    await until(lambda: gateway.waiting("tts"), equals=before + 1)
    return client


async def all_are_served(clients: list[RawClient]) -> None:
    for client in clients:
        assert (await client.response()).status == 200
        client.leave()


async def test_no_more_than_the_slots_reach_the_backend(backend: ScriptedBackend) -> None:
    release = hold(backend)
    async with serving(backend.url, "--max-concurrency=2") as gateway:
        clients = [await gateway.connect() for _ in range(4)]
        for client in clients:
            client.request("POST", "/tts", body=b"x")
        await until(lambda: (gateway.waiting("tts"), backend.seen), equals=(2, 2))

        assert gateway.inflight("tts") == 4

        release.set()
        for client in clients:
            assert (await client.response()).body == b"done"
            client.leave()
        await gateway.settled()
        assert gateway.count("tts", 200) == 4


async def test_first_come_is_first_served(narrow: Served, backend: ScriptedBackend) -> None:
    release = hold(backend)
    first = await occupied(narrow, backend)
    second = await queued(narrow, "second")
    third = await queued(narrow, "third")

    order = kept_media(backend)
    release.set()
    await all_are_served([first, second, third])

    assert order == [b"second", b"third"]


async def test_a_full_queue_turns_away_at_once(narrow: Served, backend: ScriptedBackend) -> None:
    hold(backend)
    clients = [await occupied(narrow, backend), await queued(narrow), await queued(narrow)]

    response = await narrow.speak()

    assert response.status == 503
    assert 1 <= int(response.headers["retry-after"]) <= SPREAD  # nothing tells of a slow pace yet
    assert "busy" in response.text
    assert narrow.count("tts", 503) == 1
    for client in clients:
        client.leave()


async def test_who_waits_too_long_is_turned_away(backend: ScriptedBackend) -> None:
    hold(backend)
    async with serving(backend.url, "--max-concurrency=1", "--queue-timeout=50ms") as gateway:
        first = await occupied(gateway, backend)
        second = await queued(gateway)
        response = await second.response()

        assert response.status == 503
        assert "retry-after" in response.headers
        assert gateway.waiting("tts") == 0
        assert backend.seen == 1
        first.leave()
        second.leave()


@pytest.mark.parametrize("reset", [False, True])
async def test_who_leaves_the_queue_never_reaches_the_backend(
    narrow: Served, backend: ScriptedBackend, reset: bool
) -> None:
    release = hold(backend)
    first = await occupied(narrow, backend)
    second = await queued(narrow, "gone")
    third = await queued(narrow, "stays")

    second.leave(reset=reset)
    await until(lambda: narrow.waiting("tts"), equals=1)
    release.set()

    assert (await first.response()).status == 200
    assert (await third.response()).status == 200
    await narrow.settled()
    assert narrow.count("tts", 499) == 1
    assert backend.seen == 2
    first.leave()
    third.leave()


async def test_the_pages_answer_while_the_gate_is_full(
    narrow: Served, backend: ScriptedBackend
) -> None:
    hold(backend)
    clients = [await occupied(narrow, backend), await queued(narrow), await queued(narrow)]

    for path in ("/metrics", "/healthz", "/readyz"):
        assert (await narrow.ask("GET", path)).status == 200
    for held in clients:
        held.leave()


async def test_it_is_told_how_many_slots_are_held(backend: ScriptedBackend) -> None:
    release = hold(backend)
    async with serving(backend.url, "--max-concurrency=3") as gateway:

        def held(endpoint: str) -> float:
            return gateway.sample("gateway_slots_held", endpoint=endpoint)

        clients = [await gateway.connect() for _ in range(3)]
        for client, path in zip(clients, ("/tts", "/tts", "/stt"), strict=True):
            client.request("POST", path, body=b"x")
        await until(lambda: (held("tts"), held("stt")), equals=(2, 1))
        clients[0].leave()
        await until(lambda: (held("tts"), held("stt")), equals=(1, 1))
        release.set()
        await all_are_served(clients[1:])

        await until(lambda: (held("tts"), held("stt")), equals=(0, 0))


async def test_the_longer_slots_are_held_the_later_who_is_refused_is_to_come_back(
    narrow: Served, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pace, "note", lambda pace, _: setattr(pace, "mean", 10.0))
    assert (await narrow.speak()).status == 200
    hold(backend)
    clients = [await occupied(narrow, backend), await queued(narrow), await queued(narrow)]

    response = await narrow.speak()

    assert 20 <= int(response.headers["retry-after"]) <= 40  # two wait, for 10 s each
    for client in clients:
        client.leave()


async def test_type_and_size_are_judged_before_the_gate(
    narrow: Served, backend: ScriptedBackend
) -> None:
    hold(backend)
    clients = [await occupied(narrow, backend), await queued(narrow), await queued(narrow)]

    for headers, body, status in (
        ({"Content-Type": "image/png"}, b"x", 415),
        ({}, b"", 400),
        ({}, b"x" * 1001, 413),
    ):
        assert (await narrow.ask("POST", "/tts", headers, body)).status == status
    for held in clients:
        held.leave()


async def test_a_slow_sender_of_text_holds_no_slot(
    narrow: Served, backend: ScriptedBackend
) -> None:
    async with await narrow.connect() as slow:
        slow.request("POST", "/tts", {"Content-Length": "10"})
        slow.write(b"slow")
        await until(lambda: narrow.inflight("tts"), equals=1)

        assert (await narrow.speak()).status == 200

        slow.write(b" going")
        assert (await slow.response()).status == 200


SUCCESS = says(OK_CHUNKED, chunk(b"a piece"), LAST_CHUNK)
OUTCOMES = {
    "success": SUCCESS,
    "a refusal of the backend": says(answer(b"no", "500 Oh")),
    "a reset of the backend": says(then="resets"),
    "an answer that is broken off": says(OK_CHUNKED, chunk(b"a piece"), then="resets"),
    "nonsense of the backend": says(b"220 mail.example ESMTP\r\n"),
}


@pytest.mark.parametrize("script", OUTCOMES.values(), ids=OUTCOMES)
@pytest.mark.parametrize("path", ["/tts", "/stt"])
async def test_the_slot_is_free_after(
    narrow: Served, backend: ScriptedBackend, script: Script, path: str
) -> None:
    backend.script = script
    for _ in range(3):  # more often than there are slots
        await narrow.ask("POST", path, body=b"x")

    backend.script = SUCCESS
    assert (await narrow.ask("POST", path, body=b"x")).body == b"a piece"


@pytest.mark.parametrize("path", ["/tts", "/stt"])
async def test_the_slot_is_free_when_the_client_has_left_a_silent_backend(
    narrow: Served, backend: ScriptedBackend, path: str
) -> None:
    backend.script = says(then="is silent")
    client = await narrow.connect()
    client.request("POST", path, body=b"x")
    call = await backend.calls.get()
    client.leave()

    await call.closed.wait()
    await narrow.settled()
    assert narrow.count(path[1:], 499) == 1

    backend.script = SUCCESS
    assert (await narrow.ask("POST", path, body=b"x")).status == 200


async def test_who_is_turned_away_as_it_leaves_gives_no_slot_back() -> None:
    slots = Slots()
    slots.resize(1, 1)
    assert slots.take("")
    waiting = asyncio.create_task(slots.wait(""))
    await asyncio.sleep(0)  # until it waits

    slots.turn_away()
    waiting.cancel()
    await asyncio.wait({waiting})

    assert waiting.cancelled()
    assert not slots.take("")


async def test_who_waits_at_another_gate_is_not_turned_away() -> None:
    slots, before_reload, after_reload = Slots(), object(), object()
    slots.resize(1, 1)
    assert slots.take("")
    stays = asyncio.create_task(slots.wait("", before_reload))
    goes = asyncio.create_task(slots.wait("", after_reload))
    await asyncio.sleep(0)  # until they wait

    slots.turn_away(after_reload)
    slots.give_back("")

    assert (await stays, await goes) == (True, False)


# a client's share


@pytest.fixture
async def shared(backend: ScriptedBackend) -> AsyncIterator[Served]:
    """A gateway with four slots and four places, of which a client may have half."""
    flags = ("--max-concurrency=4", "--max-queue=4", "--client-share=50%")
    async with serving(backend.url, *flags, "--trusted-hops=127.0.0.1") as served:
        yield served


async def speaker(gateway: Served, address: str) -> RawClient:
    """Return a client whose request is on its way."""
    client = await gateway.connect()
    client.request("POST", "/tts", {"X-Forwarded-For": address}, address.encode())
    return client


async def test_a_client_holds_no_more_than_its_share_of_the_slots(
    shared: Served, backend: ScriptedBackend
) -> None:
    release = hold(backend)
    greedy = [await speaker(shared, "198.51.100.1") for _ in range(4)]
    await until(lambda: shared.waiting("tts"), equals=2)

    modest = [await speaker(shared, f"198.51.100.{n}") for n in (2, 3)]
    await until(lambda: backend.seen, equals=4)

    assert shared.waiting("tts") == 2
    release.set()
    await all_are_served(greedy + modest)


async def test_who_waits_behind_a_client_at_its_share_is_served_first(
    shared: Served, backend: ScriptedBackend
) -> None:
    release, order = asyncio.Event(), []

    async def script(call: BackendCall) -> None:
        order.append(await call.whole_media())
        await release.wait()
        await call.write(answer(b"done"))

    backend.script = script
    holders = [await speaker(shared, f"198.51.100.{n}") for n in (1, 1, 2, 2)]
    await until(lambda: len(order), equals=4)
    greedy = await speaker(shared, "198.51.100.1")
    await until(lambda: shared.waiting("tts"), equals=1)
    modest = await speaker(shared, "198.51.100.3")
    await until(lambda: shared.waiting("tts"), equals=2)

    holders[2].leave()  # of the client that does not wait

    await until(lambda: len(order), equals=5)
    assert order[-1] == b"198.51.100.3"
    release.set()
    await all_are_served([modest, greedy])
    for client in holders:
        client.leave()


async def test_past_its_share_of_the_queue_a_client_is_told_so(
    shared: Served, backend: ScriptedBackend
) -> None:
    release = hold(backend)
    greedy = [await speaker(shared, "198.51.100.1") for _ in range(4)]
    await until(lambda: shared.waiting("tts"), equals=2)

    async with await speaker(shared, "198.51.100.1") as one_too_many:
        refused = await one_too_many.response()
    others = [await speaker(shared, f"198.51.100.{n}") for n in (2, 2, 2, 2)]
    await until(lambda: shared.waiting("tts"), equals=4)

    assert (refused.status, "retry-after" in refused.headers) == (429, True)
    assert "your share" in refused.text
    assert shared.count("tts", 429) == 1
    release.set()
    await all_are_served(greedy + others)


async def test_the_addresses_of_an_ipv6_subnet_are_one_client(
    shared: Served, backend: ScriptedBackend
) -> None:
    release = hold(backend)
    one = [await speaker(shared, f"2001:db8::{n}") for n in range(1, 4)]
    await until(lambda: shared.waiting("tts"), equals=1)
    another = await speaker(shared, "2001:db8:0:1::1")

    await until(lambda: backend.seen, equals=3)
    assert shared.waiting("tts") == 1
    release.set()
    await all_are_served([*one, another])


async def test_ipv4_clients_behind_a_dual_stack_proxy_are_each_their_own(
    shared: Served, backend: ScriptedBackend
) -> None:
    release = hold(backend)

    clients = [await speaker(shared, f"::ffff:198.51.100.{n}") for n in range(1, 5)]

    await until(lambda: backend.seen, equals=4)
    release.set()
    await all_are_served(clients)


async def test_who_comes_over_a_unix_socket_is_one_client(
    backend: ScriptedBackend, tmp_path: Path
) -> None:
    release, path = hold(backend), tmp_path / "gateway.sock"
    flags = ("--listen", f"unix:{path}", "--max-concurrency=2", "--client-share=50%")
    async with serving(backend.url, *flags) as gateway:
        clients = [await connect_to_file(path) for _ in range(2)]
        for client in clients:
            client.request("POST", "/tts", body=b"Hello.")

        await until(lambda: (gateway.waiting("tts"), backend.seen), equals=(1, 1))
        release.set()
        await all_are_served(clients)


async def test_the_holders_of_a_key_are_one_client(
    backend: ScriptedBackend, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("radio 0123456789abcdef\nradio 0123456789fedcba\nfilm abcdef0123456789\n")
    release = hold(backend)
    flags = ("--max-concurrency=2", "--client-share=0.5", f"--client-keys={keys}")
    async with serving(backend.url, *flags) as gateway:
        clients = []
        for key in ("0123456789abcdef", "0123456789fedcba", "abcdef0123456789"):
            client = await gateway.connect()
            client.request("POST", "/tts", {"Authorization": f"Bearer {key}"}, key.encode())
            clients.append(client)
            await until(lambda: gateway.inflight("tts"), equals=len(clients))

        await until(lambda: backend.seen, equals=2)
        assert gateway.waiting("tts") == 1
        release.set()
        await all_are_served(clients)
