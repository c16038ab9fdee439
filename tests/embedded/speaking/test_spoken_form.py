"""What an English voice is given to say for what is written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_gateway.embedded.pipeline_params import SpeakPlan
from speech_gateway.embedded.speaking.spoken_form import spoken_form
from tests.support.speech import voices


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
        ("2024-02-29 at 10:30-11:45", "2024-02-29 at 10:30 to 11:45"),
        ("$3.50 and 5,00 \u20ac", "3 dollars and 50 cents and 5 euros"),
        ("\u00a31.01", "1 pound and 1 penny"),
        ("$5, 10 apples", "5 dollars, 10 apples"),
        ("100 $ or 50\u20ac in $", "100 dollars or 50 euros in dollars"),
        ("$3.2 billion, \u20ac2bn", "$3.2 billion, \u20ac2 billion"),
        ("10\u201320% in 1939\u20131945.", "10 to 20% in 1939 to 1945."),
        ("Read pages 3-7. 5-3=2", "Read pages 3 to 7. 5 minus 3=2"),
        ("In 2020 2021 2022 it was 10 20 30", "In 2020 2021 2022 it was 10 20 30"),
        ("On 17.05.2024", "On 2024-05-17"),
        ("1 200 000 people", "1200000 people"),
        ("1\u00bd cups, 2 1/2, 2\u2153", "1 and one half cups, 2 and 1/2, 2 and one third"),
        ("\U0001d407\U0001d422 \uff11\uff12 \u2460", "Hi 12 1"),
        ("\u22125 \u00b5m", "minus 5 microm"),
        ("no... yes", "no\u2026 yes"),
        ("2ND of ~5", "2nd of about 5"),
        ("Pope John XXIII, XVI century", "Pope John the 23rd, 16th century"),
        ("[a b](http://x.com)", "a b, link H T T P colon slash slash x dot com"),
        ("a &amp; b &quot;c&quot;", 'a & b "c"'),
        ("- [x] one", "done: one"),
        ("| a |\n|---|\n", "bar a bar"),
        ("_it_ and ~~that~~", "it and that"),
        ("SELECT * FROM a::b", "SELECT star FROM a colon colon b"),
        ("./run.sh", "dot slash run dot sh"),
        ("\u00c8 vero", "E vero"),
        ("THE QUICK BROWN FOX JUMPS.", "THE quick brown FOX jumps."),
        ("7" * 20, " ".join(["seven"] * 20)),
        ("\U0001f600" * 300, ", grinning face, 300 times,"),
        ('5\'10" and 3"', "5 foot 10 and 3 inches"),
        ("Section iv, Part XII", "Section 4, Part 12"),
        ("H\u2082O and 10\u207b\u00b3", "H2O and 10 to the power of minus 3"),
        ("\u221e \u2265 \u03c0", "infinity is at least pi"),
        ("\u2713", "check"),
        ("\U00017000", "unknown character"),
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


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["a-", "1-", "a@", "1e1", "Aa", "x", "a.b-", "'a"])
def test_hibari_reads_every_word_soon(piece: str) -> None:
    text = piece * (300 // len(piece))

    assert any(len(part) for part in voices().speaking(text, SpeakPlan())(text))


@pytest.mark.parametrize(
    "text", ["1" * 40, "1,234," * 20, "9" * 40 + "th", "\u2082" * 40, "10^" + "9" * 50]
)
def test_no_number_is_too_long(text: str) -> None:
    assert any(len(part) for part in voices().speaking(text, SpeakPlan())(text))


@given(st.text(max_size=60))
def test_nothing_that_people_write_fails(text: str) -> None:
    list(voices().speaking(text, SpeakPlan())(text))
