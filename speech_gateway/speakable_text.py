"""The rules for a text to be spoken, for every API."""

BYTE_ORDER_MARK = "\ufeff"
"""No part of a text (Unicode, section 23.8)."""


class NoTextError(ValueError):
    """There is nothing to be spoken."""


class TextTooLongError(ValueError):
    """The text is over the limit."""


def speakable(text: str, max_characters: int) -> bytes:
    """Return text as the backend is given it: in UTF-8, without a byte order mark.

    Raises:
        TextTooLongError: it has more than max_characters.
        NoTextError: it is empty, or white space.
        UnicodeEncodeError: it holds half of a surrogate pair.
    """
    text = text.removeprefix(BYTE_ORDER_MARK)
    if len(text) > max_characters:
        raise TextTooLongError
    if not text.strip():
        raise NoTextError
    return text.encode()
