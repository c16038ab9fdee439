"""The language of a text, as its script and its words tell it."""

import pytest

from speech_gateway.embedded.speaking.text_language import Stretch, TextLanguage
from speech_gateway.embedded.speaking.voice_names import voice_names
from tests.support.speech import voices


def language_of(text: str) -> str:
    (stretch,) = TextLanguage(text, voices().english).stretches(text)
    return stretch.language


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Bitte \u00f6ffnen Sie das Fenster und machen Sie das Licht aus."),
        ("fr", "Je ne sais pas pourquoi il est parti."),
        ("es", "\u00bfD\u00f3nde est\u00e1 la biblioteca?"),
        ("it", "Il gatto dorme sul divano."),
        ("pt", "O menino foi para a escola."),
        ("nl", "De kat zit op de mat."),
        ("sv", "Jag vet inte var han \u00e4r."),
        ("pl", "Dzie\u0144 dobry, jak si\u0119 masz?"),
        ("hu", "Nem tudom, hol van"),
        ("fi", "Min\u00e4 en tied\u00e4 miss\u00e4 h\u00e4n on"),
        (
            "ru",
            "\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430?",
        ),
        ("uk", "\u0414\u0435 \u0442\u0438 \u0431\u0443\u0432, \u0406\u0432\u0430\u043d\u0435?"),
        ("el", "\u039c\u03c0\u03bf\u03c1\u03b5\u03af\u03c2 \u03bd\u03b1;"),
        ("he", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd"),
        ("ar", "\u0646\u0639\u0645\u060c \u0623\u0646\u0627 \u0647\u0646\u0627"),
        ("hi", "\u0928\u092e\u0938\u094d\u0924\u0947"),
        ("ko", "\uc548\ub155\ud558\uc138\uc694"),
        ("ja", "\u65e5\u672c\u8a9e\u3067\u3059\u3002"),
        ("cmn", "\u4f60\u597d\uff0c\u4e16\u754c\u3002"),
    ],
)
def test_a_language_is_told(language: str, text: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "Hello",
        "The quick brown fox jumps over the lazy dog.",
        "Play Despacito by Luis Fonsi",
        "We met Van der Berg and De Niro in La Paz",
        "Los Angeles and Las Vegas",
        "a la carte menu",
        "Caf\u00e9 au lait please",
        "Max will die in an hour",
        "La Traviata",
        "Hasta la vista, baby",
        "El Ni\u00f1o is a de facto problem",
        "Kubernetes nginx ingress",
        "e pluribus unum",
        "Bonjour",
        "42",
        "",
    ],
)
def test_what_is_not_clear_is_english(text: str) -> None:
    assert all(s.language == "en" for s in TextLanguage(text, voices().english).stretches(text))


def test_a_foreign_word_is_spoken_by_itself() -> None:
    text = "The word \u043f\u0440\u0438\u0432\u0435\u0442 means hello."

    assert list(TextLanguage(text, voices().english).stretches(text)) == [
        Stretch("The word ", "en"),
        Stretch("\u043f\u0440\u0438\u0432\u0435\u0442", "ru"),
        Stretch(" means hello.", "en"),
    ]


def test_a_latin_name_does_not_change_the_voice() -> None:
    assert language_of("\u0423 \u043c\u0435\u043d\u044f \u0435\u0441\u0442\u044c iPhone.") == "ru"


def test_a_letter_in_a_formula_is_no_language() -> None:
    assert language_of("\u03b1 and \u03b2") == "en"


def test_a_short_sentence_has_the_language_of_its_text() -> None:
    text = "Das ist ein Haus und das ist ein Baum. Genau!"
    told = TextLanguage(text, voices().english)

    assert [stretch.language for stretch in told.stretches("Genau!")] == ["de"]


def test_without_a_dictionary_words_tell_nothing() -> None:
    text = "Je ne sais pas pourquoi il est parti."

    assert [s.language for s in TextLanguage(text, None).stretches(text)] == ["en"]


def test_each_language_has_a_voice() -> None:
    from speech_gateway.embedded.speaking import text_language as languages  # noqa: PLC0415

    told = {language for _, language in languages._SCRIPTS} | set(languages._COMMON)
    told |= {other for others in languages._OWN_LETTERS.values() for _, other in others}

    assert {f"espeak-{language}" for language in told} <= set(voice_names())
