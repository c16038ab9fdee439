"""Tasks that are given up: they have ended, and nobody hears of how."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from speech_gateway.api.converted_speech import Converted
from speech_gateway.errors import UpstreamError
from speech_gateway.media.workers.conversion import Conversion
from speech_gateway.tasks import cancel_and_wait
from tests.support.converting import workers


@pytest.fixture
async def complaints() -> AsyncIterator[list[str]]:
    """What the loop complains of."""
    told: list[str] = []

    def tell(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        told.append(context["message"])

    asyncio.get_running_loop().set_exception_handler(tell)
    yield told
    asyncio.get_running_loop().set_exception_handler(None)


async def fail_to_clean_up(begun: asyncio.Event) -> None:
    begun.set()
    try:
        await asyncio.Event().wait()
    finally:
        raise ConnectionError("gone")


async def test_an_exception_of_a_task_that_is_given_up_is_fetched(complaints: list[str]) -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(fail_to_clean_up(begun))
    await begun.wait()

    await cancel_and_wait(task)
    del task
    gc.collect()

    assert complaints == []


async def test_a_task_that_is_given_up_has_cleaned_up() -> None:
    cleaned = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)

    await cancel_and_wait(task)

    assert cleaned.is_set()
    assert task.cancelled()


async def test_who_is_cancelled_while_it_waits_leaves_no_task_behind() -> None:
    cleaning = asyncio.Event()

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(slow_to_end())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(cancel_and_wait(task))
    await cleaning.wait()

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert task.done()


class BreakingCall:
    """A call whose answer breaks off just when nobody wants it any more."""

    async def read(self) -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            raise UpstreamError("it broke off")


async def test_a_backend_that_fails_behind_a_client_that_is_gone_is_no_complaint_of_the_loop(
    complaints: list[str],
) -> None:
    async with workers("tests.support.jobs") as pool, Conversion(pool, "shout") as conversion:
        body = Converted(BreakingCall(), None, conversion)  # type: ignore[arg-type]
        await body.begin(b"sound")

        await body.close()  # as the client's end has it
        del body
        gc.collect()

    assert complaints == []
