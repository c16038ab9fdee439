"""How many words were heard wrongly."""

import re
from collections.abc import Mapping

SAME: Mapping[str, str] = {
    "mr": "mister",
    "1": "one",
    "2": "two",
    "3": "three",
    "4": "four",
    "5": "five",
    "6": "six",
    "7": "seven",
    "8": "eight",
    "9": "nine",
    "10": "ten",
}
"""What is written in two ways, and spoken in one."""


def word_errors(said: str, understood: str) -> int:
    """Return the fewest words to be changed, left out or put in (Levenshtein's distance)."""
    wanted, got = _words(said), _words(understood)
    row = list(range(len(got) + 1))
    for i, word in enumerate(wanted, 1):
        last, row = row, [i]
        for j, other in enumerate(got, 1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (word != other)))
    return row[-1]


def _words(text: str) -> list[str]:
    words = re.sub(r"[^a-z0-9' ]", " ", text.lower().replace("\u2019", "'")).split()
    return [SAME.get(word, word) for word in words]
