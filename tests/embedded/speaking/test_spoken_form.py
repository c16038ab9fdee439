"""What an English voice is given to say for what is written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_gateway.embedded.speaking.spoken_form import spoken_form


def spoken(text: str) -> str:
    return re.sub(r"\s+", " ", spoken_form(text)).strip()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("https://example.com.", "H T T P S colon slash slash example dot com ."),
        ("www.x.org/a?b=c", "W W W dot x dot org slash a question mark b equals c"),
        ("Mail john.doe+x@example.co.uk.", "Mail john dot doe plus x at example dot co dot uk ."),
        ("See example.com", "See example dot com"),
        ("node.js and .NET", "node dot js and dot NET"),
        ("v1.2.3", "version 1 dot 2 dot 3"),
        ("192.168.0.1", "192 dot 168 dot 0 dot 1"),
        ("Hi \U0001f600", "Hi , grinning face,"),
        ("\U0001f1e9\U0001f1ea", ", Germany,"),
        ("a_b[0]", "a underscore b open bracket 0 close bracket"),
        ("f(x)", "f open parenthesis x close parenthesis"),
        ("x != y && y >= 2", "x is not equal to y and y is at least 2"),
        ("C# and C++", "C sharp and C++"),
        ("- one", "one"),
        ("## Title", "Title"),
        ("**bold** and `code`", "bold and code"),
        ("+1 (555) 123-4567", "plus one, five five five, one two three, four five six seven"),
        ("020 7946 0958", "zero two zero, seven nine four six, zero nine five eight"),
        ("Agent 007", "Agent zero zero seven"),
        ("555-1234", "five five five, one two three four"),
        (".5", "0.5"),
        ("$3.50 on 2024-02-29 at 10:30-11:45", "$3.50 on 2024-02-29 at 10:30 to 11:45"),
        ('5\'10" and 3"', "5 foot 10 and 3 inches"),
        ("Section iv, Part XII", "Section 4, Part 12"),
        ("H\u2082O and 10\u207b\u00b3", "H2O and 10 to the power of minus 3"),
        ("\u221e \u2265 \u03c0", "infinity is at least pi"),
        ("\u2713", "check"),
        ("...", "dot dot dot"),
        ("?!", "question mark exclamation mark"),
        ("[a] {b}", "(a) (b)"),
        ("I am at home. He said (so): yes!", "I am at home. He said (so): yes!"),
    ],
)
def test_it_is_written_out(written: str, said: str) -> None:
    assert spoken(written) == said


@given(st.text(min_size=1, max_size=200))
def test_whatever_can_be_seen_is_said_somehow(text: str) -> None:
    said = spoken_form(text)

    assert said.strip() or not any(c.isalnum() for c in text)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece", ["(", "a_", "1 ", "1-", "*a", "`", "/a", "a.", "a@", "[a", "<", "http://", "II ", "+1"]
)
def test_no_text_takes_long(piece: str) -> None:
    spoken_form(piece * (300 // len(piece)))
