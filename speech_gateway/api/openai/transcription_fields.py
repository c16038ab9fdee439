"""The fields of a transcription request, beside its audio."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...errors import FieldError
from ..languages import code_of
from ..resources import GRANULARITIES

VERBOSE = "verbose_json"
FORMATS = ("json", "text", "srt", VERBOSE, "vtt")
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off", "")


_STRING = ((str,), "a string")
_JSON_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(("model", "language", "prompt", "response_format"), _STRING),
    "stream": ((bool, str), "true or false"),
    "temperature": ((int, float, str), "a number"),
}
"""By field: what JSON may have for it; numbers and booleans may be texts, as in a form."""


@dataclass(slots=True)
class TranscriptionFields:
    """The fields that have come so far; each is checked when it is read.

    The properties raise FieldError for a wrong value.
    """

    values: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> "TranscriptionFields":
        """Return the fields of a JSON object; raises FieldError for a value of a wrong type."""
        fields = cls()
        for name, value in document.items():
            if value is None:
                continue
            if name == GRANULARITIES.removesuffix("[]"):
                if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                    raise FieldError(name, "must be a list of strings")
                for one in value:
                    fields.add(GRANULARITIES, one)
                continue
            types, expected = _JSON_TYPES.get(name, ((type(value),), ""))
            if type(value) not in types:
                raise FieldError(name, f"must be {expected}")
            if isinstance(value, bool):
                fields.add(name, str(value).lower())
            elif isinstance(value, str | int | float):
                fields.add(name, str(value))
        return fields

    def add(self, name: str, value: str) -> None:
        """Add a field that has come; some clients leave out the brackets of a list."""
        name = GRANULARITIES if name == GRANULARITIES.removesuffix("[]") else name
        self.values.setdefault(name, []).append(value)

    def given(self, name: str) -> bool:
        """Return whether a field has come."""
        return name in self.values

    @property
    def language(self) -> str | None:
        """The code of the language, when the client told it."""
        language = self._one("language")
        if not language:
            return None
        if (code := code_of(language)) is None:
            raise FieldError("language", "must be a code of ISO 639 like en, a name, or auto")
        return code

    @property
    def wants_events(self) -> bool:
        """Whether the client wants transcripts as events, as they come."""
        value = self._one("stream").lower()
        if value not in (*_TRUE, *_FALSE):
            raise FieldError("stream", "must be true or false")
        return value in _TRUE

    @property
    def granularities(self) -> frozenset[str]:
        """What is to be told with its times, beside the text: segments, words or both."""
        values = frozenset(self.values.get(GRANULARITIES, ()))
        if values - {"segment", "word"}:
            raise FieldError(GRANULARITIES, "must be segment or word")
        return values or frozenset({"segment"})

    @property
    def wants_words(self) -> bool:
        """Whether words are to be told with their times, where the answer has a place for them."""
        has_place = self.response_format == VERBOSE and not self.wants_events
        return has_place and "word" in self.granularities

    @property
    def response_format(self) -> str:
        """One of FORMATS."""
        value = self._one("response_format") or FORMATS[0]
        if value not in FORMATS:
            raise FieldError("response_format", f"must be one of {', '.join(FORMATS)}")
        return value

    def check(self) -> None:
        """Check all fields; raises FieldError."""
        _ = self.language, self.wants_events, self.response_format, self.granularities
        temperature = self._one("temperature") or "0"
        try:
            number = float(temperature)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1:
            raise FieldError("temperature", "must be a number from 0 to 1")

    def _one(self, name: str) -> str:
        values = self.values.get(name, [""])
        if len(values) > 1:
            raise FieldError(name, "must be given once")
        return values[0].strip()
