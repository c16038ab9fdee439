"""Languages: what OpenAI's clients call them, and Whisper's codes."""

AUTO = "auto"
"""The language is detected, where the pipeline's model can."""

_NAMES = (
    "af afrikaans, am amharic, ar arabic, as assamese, az azerbaijani, ba bashkir, be belarusian, "
    "bg bulgarian, bn bengali, bo tibetan, br breton, bs bosnian, ca catalan, cs czech, cy welsh, "
    "da danish, de german, el greek, en english, es spanish, et estonian, eu basque, fa persian, "
    "fi finnish, fo faroese, fr french, gl galician, gu gujarati, ha hausa, haw hawaiian, "
    "he hebrew, hi hindi, hr croatian, ht haitian creole, hu hungarian, hy armenian, "
    "id indonesian, is icelandic, it italian, ja japanese, jw javanese, ka georgian, kk kazakh, "
    "km khmer, kn kannada, ko korean, la latin, lb luxembourgish, ln lingala, lo lao, "
    "lt lithuanian, lv latvian, mg malagasy, mi maori, mk macedonian, ml malayalam, mn mongolian, "
    "mr marathi, ms malay, mt maltese, my myanmar, ne nepali, nl dutch, nn nynorsk, no norwegian, "
    "oc occitan, pa punjabi, pl polish, ps pashto, pt portuguese, ro romanian, ru russian, "
    "sa sanskrit, sd sindhi, si sinhala, sk slovak, sl slovenian, sn shona, so somali, "
    "sq albanian, sr serbian, su sundanese, sv swedish, sw swahili, ta tamil, te telugu, tg tajik, "
    "th thai, tk turkmen, tl tagalog, tr turkish, tt tatar, uk ukrainian, ur urdu, uz uzbek, "
    "vi vietnamese, yi yiddish, yo yoruba, yue cantonese, zh chinese"
)
NAMES = dict(entry.strip().split(" ", 1) for entry in _NAMES.split(","))
"""OpenAI's names, by code."""
_OTHER_NAMES = {
    "burmese": "my",
    "castilian": "es",
    "flemish": "nl",
    "haitian": "ht",
    "letzeburgesch": "lb",
    "mandarin": "zh",
    "moldavian": "ro",
    "moldovan": "ro",
    "panjabi": "pa",
    "pushto": "ps",
    "sinhalese": "si",
    "valencian": "ca",
}
_CODES = {name: code for code, name in NAMES.items()} | _OTHER_NAMES


def code_of(language: str) -> str | None:
    """Return the code of a language that is given as a code, a tag (RFC 5646) or a name, in any
    case.

    ``en``, ``EN``, ``en-US``, ``eng`` and ``English`` are all ``en``. What is no language is None.
    A code that Whisper does not know is left to the backend.
    """
    word = language.strip().lower()
    if word in _CODES:
        return _CODES[word]
    code = word.replace("_", "-").partition("-")[0]
    if code == AUTO or (2 <= len(code) <= 3 and code.isascii() and code.isalpha()):
        return _THREE_LETTERS.get(code, code)
    return None


def name_of(code: str) -> str:
    """Return OpenAI's name for a language code, or the code itself where it has none."""
    return NAMES.get(code.lower(), code)


_THREE_LETTERS = {
    "ara": "ar",
    "deu": "de",
    "eng": "en",
    "fra": "fr",
    "ger": "de",
    "ita": "it",
    "jpn": "ja",
    "kor": "ko",
    "nld": "nl",
    "pol": "pl",
    "por": "pt",
    "rus": "ru",
    "spa": "es",
    "tur": "tr",
    "ukr": "uk",
    "zho": "zh",
}
"""ISO 639-2, for the most common languages."""
