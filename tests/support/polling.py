"""Waiting for what only asking tells: one way to do it, which says what it waited for in vain."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from itertools import repeat
from typing import TypeVar, cast, overload

WAIT_TIMEOUT = 5.0
"""Seconds until what has not come is taken for never coming."""
FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.1
"""Seconds between two looks: what comes soon is seen soon, what takes long is not asked often."""

T = TypeVar("T")


class _Unset:
    """Stands for an argument that was not given."""


_UNSET = _Unset()


@overload
async def until(
    look: Callable[[], Awaitable[T]],
    timeout: float = WAIT_TIMEOUT,
    *,
    equals: object = _UNSET,
    holds: Callable[[T], object] = bool,
    every: float | None = None,
) -> T: ...


@overload
async def until(
    look: Callable[[], T],
    timeout: float = WAIT_TIMEOUT,
    *,
    equals: object = _UNSET,
    holds: Callable[[T], object] = bool,
    every: float | None = None,
) -> T: ...


async def until(
    look: Callable[[], T | Awaitable[T]],
    timeout: float = WAIT_TIMEOUT,
    *,
    equals: object = _UNSET,
    holds: Callable[[T], object] = bool,
    every: float | None = None,
) -> T:
    """Look again and again until what is seen is as wanted, and return it.

    Wanted is what equals a value, or what a condition holds of; else anything true. A look may
    have to be awaited; what it raises ends the wait. The pauses between looks grow, but where
    every says how many seconds they are.
    """
    seen: object = "nothing: the first look did not end"
    try:
        async with asyncio.timeout(timeout) as limit:
            for pause in _pauses() if every is None else repeat(every):
                found = look()
                seen = found = cast(T, await found if inspect.isawaitable(found) else found)
                if _is_wanted(found, equals, holds):
                    return found
                await asyncio.sleep(pause)
    except TimeoutError:
        if not limit.expired():
            raise  # it is the look's own
    raise AssertionError(_in_vain(look, timeout, equals, holds, seen))


def until_blocking(look: Callable[[], T], timeout: float = WAIT_TIMEOUT) -> T:
    """Look again and again until there is something, and return it; for where no loop runs."""
    deadline = time.monotonic() + timeout
    for pause in _pauses():
        if found := look():
            return found
        if time.monotonic() > deadline:
            break
        time.sleep(pause)
    raise AssertionError(_in_vain(look, timeout, _UNSET, bool, found))


async def at_rest(look: Callable[[], T], pause: float = 0.3) -> T:
    """Return what look sees once two looks, a pause apart, see the same.

    For what goes on until it goes on no more: nothing tells when that is.
    """
    seen: T | _Unset = _UNSET
    while seen != (found := look()):
        seen = found
        await asyncio.sleep(pause)
    return found


def _pauses() -> Iterator[float]:
    yield 0.0
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(1.5 * pause, LONGEST_PAUSE)


def _is_wanted(found: T, equals: object, holds: Callable[[T], object]) -> bool:
    return bool(holds(found)) if isinstance(equals, _Unset) else found == equals


def _in_vain(
    look: Callable[[], object],
    timeout: float,
    equals: object,
    holds: Callable[[T], object],
    seen: object,
) -> str:
    wanted = "to be true"
    if not isinstance(equals, _Unset):
        wanted = f"to equal {equals!r}"
    elif holds is not bool:
        wanted = f"to be as in {_words_of(holds)}"
    return f"waited {timeout:g} s for {_words_of(look)} {wanted}; last seen: {seen!r}"


def _words_of(function: Callable[..., object]) -> str:
    """Return how a function is called; of one without a name, the lines that it stands in."""
    name = getattr(function, "__qualname__", repr(function))
    if name.endswith("<lambda>"):
        with suppress(OSError, TypeError):
            return f"'{' '.join(inspect.getsource(function).split())}'"
    return str(name)
