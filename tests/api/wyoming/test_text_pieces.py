"""A text that comes in parts is spoken as soon as sentences are whole."""

import asyncio
import time

import pytest

from speech_gateway.api.wyoming.text_pieces import MAX_HELD, TextPieces

MOST = 60


async def pieces(*parts: str, most: int = MOST) -> list[str]:
    """Return the pieces of a text that is there as a whole, in parts."""
    text = TextPieces(most)
    for part in parts:
        await text.add(part)
    text.end()
    return await rest(text)


async def rest(text: TextPieces) -> list[str]:
    found = []
    while piece := await text.next():
        found.append(piece)
    return found


async def test_a_text_with_room_in_a_piece_is_left_as_it_is() -> None:
    text = "One *two*,\n\nthree. Four"

    assert await pieces(text) == [text]


async def test_a_sentence_is_a_piece_as_soon_as_the_next_one_begins() -> None:
    text = TextPieces(MOST)
    for part in ("Good ", "morning. H", "ow"):
        await text.add(part)

    assert await text.next() == "Good morning."


async def test_what_is_complete_by_then_is_spoken_in_one_piece() -> None:
    text = TextPieces(MOST)
    await text.add("One is here. Two is there. Three is on its ")

    assert await text.next() == "One is here. Two is there."


async def test_the_next_piece_is_waited_for() -> None:
    text = TextPieces(MOST)
    await text.add("No end ")
    waiting = asyncio.create_task(text.next())
    await asyncio.sleep(0)
    assert not waiting.done()

    await text.add("yet. But now.")
    assert await waiting == "No end yet."
    text.end()
    assert await rest(text) == ["But now."]


async def test_a_long_text_is_split_between_sentences() -> None:
    sentences = [f"This is the sentence of number {number}." for number in range(20)]

    split = await pieces(" ".join(sentences))

    assert " ".join(split) == " ".join(sentences)
    assert all(len(piece) <= MOST and piece.endswith(".") for piece in split)


@pytest.mark.parametrize("word", ["word ", "no-space-at-all-", "x" * 3 * MOST + " ", "好"])
async def test_a_sentence_without_an_end_is_split_where_it_must_be(word: str) -> None:
    text = word * 1000

    split = await pieces(text)

    assert "".join(split).replace(" ", "") == text.replace(" ", "")
    assert max(map(len, split)) <= MOST


@pytest.mark.parametrize("word", ["wonderful", "a", "incomprehensibility"])
@pytest.mark.parametrize("most", [MOST, 5000])
async def test_words_are_not_cut_where_there_are_spaces(word: str, most: int) -> None:
    split = await pieces(f"{word} " * 1000, most=most)

    assert " ".join(split).split() == [word] * 1000


@pytest.mark.parametrize("space", [" ", "\n", "\t", "\u00a0", "\u3000"])
@pytest.mark.parametrize("asterisks", ["", "*", "**"])
async def test_words_are_neither_cut_nor_joined_whatever_is_between_them(
    space: str, asterisks: str
) -> None:
    words = [f"item{number}{asterisks}" for number in range(400)]

    split = await pieces(space.join(words), most=1100)

    assert len(split) > 1
    assert " ".join(split).split() == words


async def test_a_text_in_pieces_is_changed_no_more_than_one_that_is_whole() -> None:
    text = "What is 2*3*4?\n* **One** thing\n* another. " * 50

    split = await pieces(text, most=1000)

    assert "".join("".join(split).split()) == "".join(text.split())
    assert "\n* **One** thing\n* another." in split[0]


@pytest.mark.parametrize("text", ["A. " * 100_000, ".....))) " * 30_000, "A.\n" * 100_000])
async def test_a_text_that_looks_like_nothing_but_ends_keeps_nobody_waiting(text: str) -> None:
    longest, before = 0.0, time.perf_counter()

    async def watch() -> None:
        nonlocal longest, before
        while True:
            now = time.perf_counter()
            longest, before = max(longest, now - before), now
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    split = await pieces(text, most=1000)
    await asyncio.sleep(0)
    watching.cancel()

    assert "".join("".join(split).split()) in ("", "".join(text.split()))
    # Looking through all of it at once would take minutes, a slice some milliseconds.
    assert longest < 1.0


async def test_what_has_nothing_to_say_is_left_out_between_sentences() -> None:
    assert await pieces("这是第一句话。", "😊。", "这是第二句话。", most=8) == [
        "这是第一句话。",
        "这是第二句话。",
    ]


@pytest.mark.parametrize("text", ["", " \n ", "\t"])
async def test_there_is_no_piece_of_nothing(text: str) -> None:
    assert await pieces(text) == []
    assert await pieces(*text) == []


async def test_who_sends_more_than_is_held_waits_until_some_is_taken() -> None:
    text = TextPieces(MOST)
    await text.add("This is a sentence. " * (MAX_HELD // 20 + 1))
    adding = asyncio.create_task(text.add("And another one."))
    await asyncio.sleep(0)
    assert not adding.done()

    while not adding.done():
        assert await text.next()
        await asyncio.sleep(0)


async def test_who_waits_goes_on_when_nobody_will_take_it() -> None:
    text = TextPieces(MOST)
    await text.add("x" * (MAX_HELD + 1))
    adding = asyncio.create_task(text.add("more"))
    await asyncio.sleep(0)

    text.close()

    await adding
