"""Where a text is cut to be spoken."""

import pytest

from speech_gateway.embedded.speaking.sentences import LONGEST, sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One sentence. Another sentence!", ["One sentence.", "Another sentence!"]),
        ("Hi. There you are, at last.", ["Hi. There you are, at last."]),
        ("No end", ["No end"]),
        ("A whole line\nand a new one\n", ["A whole line", "and a new one"]),
        ("It costs 3.50 in all.", ["It costs 3.50 in all."]),
        ("Dr. Smith met Mr. J. Brown. They ate.", ["Dr. Smith met Mr. J. Brown.", "They ate."]),
        ("See No. 5 and p. 12. It is short.", ["See No. 5 and p. 12.", "It is short."]),
        ("We, e.g. you and I, left. It was 5 p.m.", ["We, e.g. you and I, left.", "It was 5 p.m."]),
        ("\u201cSo it is.\u201d She left early.", ["\u201cSo it is.\u201d", "She left early."]),
        ("\u4f60\u597d\uff1f\u6211\u597d\u3002", ["\u4f60\u597d\uff1f\u6211\u597d\u3002"]),
        (" \n ", []),
    ],
)
def test_text_is_cut_into_sentences(text: str, expected: list[str]) -> None:
    assert [sentence.text for sentence in sentences(text, 10)] == expected


def test_a_long_sentence_is_cut_where_it_pauses() -> None:
    text = "word " * 30 + "and so, " + "word " * 60

    first, *rest = [sentence.text for sentence in sentences(text, 10)]

    assert first.endswith("and so,")
    assert all(len(part) <= LONGEST for part in (first, *rest))
    assert " ".join((first, *rest)).split() == text.split()


def test_one_without_any_space_is_cut_all_the_same() -> None:
    parts = [sentence.text for sentence in sentences("x" * 1000, 10)]

    assert "".join(parts) == "x" * 1000
    assert max(map(len, parts)) <= LONGEST


def test_a_paragraph_ends_with_a_longer_pause() -> None:
    one, two, three = sentences("The first sentence. The second sentence.\nThe third sentence.", 10)

    assert one.pause < two.pause == three.pause
