"""The waiting that other tests stand on: it ends when it may, and a vain one says what for."""

import asyncio

import pytest

from .polling import at_rest, until, until_blocking


async def test_what_is_seen_is_returned_once_it_is_as_wanted() -> None:
    looks = iter(range(100))

    assert await until(lambda: next(looks)) == 1
    assert await until(lambda: next(looks), equals=5) == 5
    assert await until(lambda: next(looks), holds=lambda seen: seen > 8) == 9
    assert until_blocking(lambda: next(looks)) == 10
    assert next(looks) == 11


async def test_a_look_may_be_awaited() -> None:
    looks = iter(range(100))

    async def look() -> int:
        return next(looks)

    assert await until(look, equals=3) == 3


async def test_what_moves_is_at_rest_when_two_looks_see_the_same() -> None:
    looks = iter([1, 2, 2, 3])

    assert await at_rest(lambda: next(looks), pause=0.0) == 2


async def test_a_vain_wait_says_what_for_and_what_was_last_seen() -> None:
    streams = ["one", "two"]

    with pytest.raises(AssertionError) as vain:
        await until(lambda: len(streams), 0.01, equals=3)

    assert "waited 0.01 s for 'await until(lambda: len(streams), 0.01, equals=3)'" in str(
        vain.value
    )
    assert str(vain.value).endswith("to equal 3; last seen: 2")


async def test_a_vain_wait_for_a_condition_names_it() -> None:
    def are_many(count: int) -> bool:
        return count > 10

    with pytest.raises(AssertionError, match=r"for look to be as in .*are_many; last seen: 2$"):
        await until(look, 0.01, holds=are_many)
    with pytest.raises(AssertionError, match=r"'until_blocking\(lambda: 0, .* last seen: 0$"):
        until_blocking(lambda: 0, 0.01)


def look() -> int:
    return 2


async def test_a_look_that_does_not_end_is_given_up() -> None:
    with pytest.raises(AssertionError, match="the first look did not end"):
        await until(asyncio.Event().wait, 0.01)


async def test_what_a_look_raises_ends_the_wait() -> None:
    def fail() -> bool:
        raise TimeoutError("of the look's own")

    with pytest.raises(TimeoutError, match="of the look's own"):
        await until(fail)
