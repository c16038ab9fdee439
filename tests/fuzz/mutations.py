"""Uploads that are almost right: real ones, with a little changed."""

import random
from collections.abc import Callable, Iterator

from tests.support.audio import recorded
from tests.support.hostile_media import HOSTILE
from tests.support.upload_kinds import SPOOLED, STREAMED

MAX_SEED_BYTES = 128 * 1024
"""Of a hostile upload that is changed further; larger ones are slow, and no more telling."""
SEED_SECONDS = 0.3
INTERESTING = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)

Mutation = Callable[[random.Random, bytearray], None]


def seeds() -> list[bytes]:
    """Return an upload of each kind, and the small hostile ones."""
    real = [recorded(kind, SEED_SECONDS) for kind in (STREAMED | SPOOLED).values()]
    return real + [data for make in HOSTILE.values() if len(data := make()) <= MAX_SEED_BYTES]


def mutated(chance: random.Random, originals: list[bytes]) -> Iterator[bytes]:
    """Yield one of the originals with some changes, without end."""
    while True:
        data = bytearray(chance.choice(originals))
        for _ in range(chance.choice((1, 1, 2, 4, 16, 64))):
            if data:
                chance.choice(MUTATIONS)(chance, data)
        if chance.random() < 0.05:
            data += chance.choice(originals)
        yield bytes(data)


def _place(chance: random.Random, data: bytearray) -> int:
    """Return a place, more often at the beginning, where the heads are."""
    most = len(data) if chance.random() < 0.3 else min(len(data), 512)
    return chance.randrange(most)


def _flip(chance: random.Random, data: bytearray) -> None:
    data[_place(chance, data)] ^= 1 << chance.randrange(8)


def _set(chance: random.Random, data: bytearray) -> None:
    data[_place(chance, data)] = chance.choice(INTERESTING)


def _set_number(chance: random.Random, data: bytearray) -> None:
    """Write a number of 2 to 8 bytes, of either order."""
    size = chance.choice((2, 4, 8))
    at = _place(chance, data)
    most = (1 << 8 * size) - 1
    number = chance.choice((0, 1, most >> 1, most, chance.getrandbits(8)))
    order = chance.choice(("big", "little"))
    data[at : at + size] = number.to_bytes(size, order)  # type: ignore[arg-type]


def _cut(chance: random.Random, data: bytearray) -> None:
    del data[_place(chance, data) :]


def _remove(chance: random.Random, data: bytearray) -> None:
    at = _place(chance, data)
    del data[at : at + chance.choice((1, 4, 64, 1024))]


def _repeat(chance: random.Random, data: bytearray) -> None:
    at = _place(chance, data)
    part = bytes(data[at : at + chance.choice((1, 8, 64, 1024))])
    data[at:at] = part * chance.choice((1, 2, 50))


MUTATIONS: tuple[Mutation, ...] = (
    *(_flip, _set, _set_number) * 2,
    *(_cut, _remove, _repeat),
)
