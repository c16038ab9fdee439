"""Numbers that hibari would misread: money, ranges, telephones, fractions, Roman numerals."""

import re
import unicodedata

from .rules import Rule, rule

LONGEST = 15
"""Digits of a number that is read as one; longer ones are read digit by digit."""

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
}
_FRACTIONS = {
    "½": "one half",
    "⅓": "one third",
    "⅔": "two thirds",
    "¼": "one quarter",
    "¾": "three quarters",
    "⅕": "one fifth",
    "⅖": "two fifths",
    "⅗": "three fifths",
    "⅘": "four fifths",
    "⅙": "one sixth",
    "⅚": "five sixths",
    "⅛": "one eighth",
    "⅜": "three eighths",
    "⅝": "five eighths",
    "⅞": "seven eighths",
}
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50}
_ROMAN_NUMERAL = r"(?:XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
_MAGNITUDE = r"(?:hundred|thousand|million|billion|trillion|[kKmMbB]\b)"


def _each_digit(match: re.Match[str]) -> str:
    groups = re.findall(r"\d+", match[0])
    spoken = ", ".join(" ".join(_DIGITS[int(digit)] for digit in group) for group in groups)
    return f"plus {spoken}" if match[0].startswith("+") else spoken


def _long_number(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match[0])
    return match[0] if len(digits) <= LONGEST else " ".join(_DIGITS[int(one)] for one in digits)


def _money(match: re.Match[str]) -> str:
    one, many, cent, cents = _CURRENCIES[match[1]]
    spoken = f"{match[2]} {one if match[2] == '1' else many}"
    if match[3] and match[3] != "00":
        spoken += f" and {int(match[3])} {cent if match[3] == '01' else cents}"
    return spoken


def _sign_first(match: re.Match[str]) -> str:
    amount = re.sub(r",(?=\d\d$)", ".", match[1])
    return f"{match[2]}{amount} "


def _lone_currency(match: re.Match[str]) -> str:
    return f" {_CURRENCIES[match[0]][1]} "


def _date(match: re.Match[str]) -> str:
    day, month = int(match[1]), int(match[2])
    is_date = 1 <= month <= 12 and 1 <= day <= 31
    return f"{match[3]}-{month:02}-{day:02}" if is_date else match[0]


def _joined(match: re.Match[str]) -> str:
    return re.sub(r"\s", "", match[0])


def _value(numeral: str) -> int:
    total, before = 0, 0
    for letter in reversed(numeral.upper()):
        value = _ROMAN[letter]
        total += value if value >= before else -value
        before = max(before, value)
    return total


def _roman(match: re.Match[str]) -> str:
    return f"{match[1]} {_value(match[2])}" if match[2] else match[0]


def _regnal(match: re.Match[str]) -> str:
    return f"{match[1]} the {_ordinal(match[2])}"


def _century(match: re.Match[str]) -> str:
    return _ordinal(match[0])


def _ordinal(numeral: str) -> str:
    number = _value(numeral)
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _fraction(match: re.Match[str]) -> str:
    return f"{match[1]} and {_FRACTIONS[match[2]]}" if match[1] else _FRACTIONS[match[2]]


def _power(match: re.Match[str]) -> str:
    exponent = unicodedata.normalize("NFKC", match[0]).replace("\u2212", "minus ")
    return f" to the power of {exponent.replace('+', '')}"


def _lowered(match: re.Match[str]) -> str:
    return match[0].lower()


RULES: tuple[Rule, ...] = (
    rule(r"(?<=\d)(?:[⁺⁻⁰⁴-⁹][⁰¹²³⁴-⁹]*|[¹²³][⁰¹²³⁴-⁹]+)", _power),
    rule(r"(\d?)\s?([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])", _fraction),
    rule(r"(?<!\S)(\d{1,3}) (?=\d/\d\b)", r"\1 and "),
    rule(r"\b(\d{1,2})[.-](\d{1,2})[.-](\d{4})\b(?![.-]\d)", _date),
    rule(r"\b\d{1,3}(?:[\u00a0\u202f]\d{3})+\b|\b\d{1,3}(?: \d{3})* 0\d\d(?: \d{3})*\b", _joined),
    rule(r"(?<![\w.])\.(?=\d)", "0."),
    rule(r"\bUS(?=\$)", ""),
    rule(r"(?<=\d)bn\b", " billion"),
    rule(r"(?<![$€£\d.,])(\d[\d.,]*)\s?([$€£])(?!\d)", _sign_first),
    rule(rf"([$€£])(\d+(?:,\d{{3}})*)(?:\.(\d\d))?(?![\d.]*\d)(?!\s?{_MAGNITUDE})", _money),
    rule(r"[$€£](?!\s?\d|\w)", _lone_currency),
    rule(r"(?<=\d)(%|[ap]m)?\s?–\s?(?=[$€£]?\d)", r"\1 to "),
    rule(r"(?<=\d)\s?-\s?(?=\d{1,2}:\d\d)", " to "),
    rule(r"(?<=\d)\s?-\s?(?=\d+\s?=)", " minus "),
    rule(r"(?<![\w-])(\d{1,4})-(\d{1,4})(?=\.(?:\s|$)|%)", r"\1 to \2"),
    rule(r"(?<!\w)(?:\+\d|\(|0)[\d ()-]{5,20}\d(?![\w-])", _each_digit),  # a telephone
    rule(r"(?<![\w-])(?:\d{3}[- ]\d{3}[- ]\d{4}|\d{3}-\d{4})(?![\w-])", _each_digit),
    rule(r"(?<![\w-])\d{4}(?:[ -]\d{4}){3}(?![\w-])", _each_digit),  # a card
    rule(r"(?<![\w.,:])\+\d{6,}\b", _each_digit),
    rule(r"(?<![\w.,:/-])0\d+\b(?![.,:/-]\d)", _each_digit),
    rule(r"\d[\d,]{15,}", _long_number),
    rule(r"\b\d+(?:ST|ND|RD|TH)\b", _lowered),
    rule(r"~(?=\d)", "about "),
    rule(r"(\d+)'\s?(\d+)(?:\"|″)?", r"\1 foot \2"),
    rule(r"(?<=\d)(?:\"|″)", " inches"),
    rule(
        r"\b((?i:chapter|part|section|volume|act|scene|book|phase|type|class|level|figure|table|"
        rf"article|appendix|war|bowl|mark))\s+((?=[IVXL]){_ROMAN_NUMERAL}|(?i:(?=[ivx]){_ROMAN_NUMERAL}))"
        r"\b(?![.'’]\w)",
        _roman,
    ),
    rule(
        r"\b((?:Pope|King|Queen|Emperor|Tsar|Saint)(?: [A-Z]\w+){1,2}) "
        rf"(?=[IVXL])({_ROMAN_NUMERAL})\b",
        _regnal,
    ),
    rule(rf"\b(?=[IVXL]{{2}}){_ROMAN_NUMERAL}(?= [cC]entury\b)", _century),
    rule(rf"\b([A-Z][a-z]+) (?=[IVXL]{{3}})({_ROMAN_NUMERAL})\b(?![.'’]\w)", _roman),
)
