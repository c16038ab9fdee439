"""Connections to the backend that are kept: when one is used again, and when it is not."""

import asyncio

import pytest

from speech_gateway.upstream import idle_pool
from tests.support.backend import OK_CHUNKED, BackendCall, ScriptedBackend, answer, chunk, says
from tests.support.gateway import Served, serving

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"


async def next_on_the_same_connection(call: BackendCall) -> BackendCall:
    following = BackendCall(call.reader, call.writer)
    await following.begin()
    return following


async def answer_two(call: BackendCall) -> None:
    await call.whole_media()
    await call.write(answer(b"first"))
    second = await next_on_the_same_connection(call)
    await second.whole_media()
    await second.write(answer(b"second"))


async def test_the_next_text_takes_the_connection_of_the_last(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = answer_two

    assert [(await gateway.speak()).body for _ in range(2)] == [b"first", b"second"]
    assert backend.seen == 1, "two connections were made"


answer_and_listen = says(answer(b"ok"), then="is silent")


async def test_a_live_upload_takes_a_fresh_one_and_leaves_none_behind(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.script = answer_and_listen
    await gateway.speak()
    kept = await backend.calls.get()

    await gateway.ask("POST", "/stt", body=b"Hello.")

    live = await backend.calls.get()
    assert live.headers["connection"] == "close"
    await live.closed.wait()
    assert not kept.closed.is_set()


async def test_a_text_is_sent_again_once_when_the_kept_connection_breaks_without_a_word(
    gateway: Served, backend: ScriptedBackend
) -> None:
    async def answer_one_and_break_at_the_next(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(answer(b"whole"))
        await call.reader.readexactly(1)

    backend.script = answer_one_and_break_at_the_next

    assert [(await gateway.speak()).status for _ in range(3)] == [200, 200, 200]
    assert backend.seen == 3
    assert gateway.count("tts", 200) == 3


@pytest.mark.parametrize(
    ("second_answer", "code", "seen"),
    [(b"HTTP/1.1 2", 502, 502), (OK_CHUNKED + chunk(b"one"), 502, 200)],
)
async def test_a_text_is_not_sent_again_when_a_byte_of_an_answer_came(
    gateway: Served, backend: ScriptedBackend, second_answer: bytes, code: int, seen: int
) -> None:
    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(answer(b"whole"))
        await next_on_the_same_connection(call)
        await call.write(second_answer)

    backend.script = script
    await gateway.speak()

    assert (await gateway.speak()).status == seen
    await gateway.settled()
    assert gateway.count("tts", code) == 1
    assert backend.seen == 1


async def test_a_text_is_not_sent_again_to_a_backend_that_is_silent(
    backend: ScriptedBackend,
) -> None:
    backend.script = answer_and_listen
    async with serving(backend.url, "--upstream-timeout=300ms") as gateway:
        await gateway.speak()

        assert (await gateway.speak()).status == 504
    assert backend.seen == 1


@pytest.mark.parametrize(
    "first_answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        answer(b"ok") + b"and more than was declared",
        answer(b"ok") + answer(b"nobody asked for this"),
        answer(b"ok") + answer(b"leak") + SWITCH,
        answer(b"ok") + SWITCH,
    ],
)
async def test_a_connection_is_not_kept_behind_an_answer_that_ends_it_or_goes_on(
    gateway: Served, backend: ScriptedBackend, first_answer: bytes
) -> None:
    backend.script = says(first_answer, then="is silent")

    assert (await gateway.speak()).body == b"ok"
    await (await backend.calls.get()).closed.wait()
    assert (await gateway.speak()).body == b"ok"


async def test_a_kept_connection_that_speaks_unasked_is_closed(
    gateway: Served, backend: ScriptedBackend
) -> None:
    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.write(answer(b"ok"))
        spoke.set()
        await call.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await call.until_closed()

    spoke = asyncio.Event()
    backend.script = script
    await gateway.speak()
    await spoke.wait()

    await (await backend.calls.get()).closed.wait()


async def test_a_kept_connection_is_closed_after_a_while(
    gateway: Served, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle_pool, "IDLE_TIMEOUT", 0.1)
    backend.script = answer_and_listen
    await gateway.speak()

    await (await backend.calls.get()).closed.wait()


async def test_a_connection_with_an_answer_unread_is_not_kept(
    gateway: Served, backend: ScriptedBackend
) -> None:
    encoded = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 70000\r\n\r\n"

    async def script(call: BackendCall) -> None:
        await call.whole_media()
        await call.write((encoded + bytes(70000)) if backend.seen == 1 else answer(b"ok"))
        await call.until_closed()

    backend.script = script

    assert (await gateway.speak()).status == 502
    async with asyncio.timeout(10):
        assert (await gateway.speak()).body == b"ok"
