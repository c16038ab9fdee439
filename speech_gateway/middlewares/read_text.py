"""Reads and checks a text before the gate, so that a slow sender holds no slot."""

import codecs

from aiohttp import web

from ..endpoints import Endpoint
from ..exchange import EXCHANGE
from ..server.request_body import RequestBody, no_body
from ..speakable_text import NoTextError, TextTooLongError, speakable
from . import Handler, Step

MAX_BYTES_A_CHARACTER = 4
"""Bytes of a character in any of the charsets below."""
MAX_MARK_BYTES = 4
CHARSETS = frozenset(
    {"ascii", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "koi8-r"}
    | {"koi8-u", "big5", "gb2312", "gbk", "gb18030", "shift_jis", "euc_jp", "euc_kr"}
    | {"cp866", "cp874", "cp932", "cp949", "cp950", "mac-roman", "mac-cyrillic"}
    | {f"iso8859-{part}" for part in (*range(1, 12), *range(13, 17))}
    | {f"cp125{part}" for part in range(9)}
)
"""By Python's names. Python's other codecs are not all for text, or slow on hostile input."""


class ReadText(Step):
    """Refuse a text over max_characters with 413; an empty or undecodable one with 400."""

    def __init__(self, *, max_characters: int, max_bytes: int, timeout: float) -> None:
        if max_characters < 1:
            raise ValueError("the text limit must be at least one character")
        self._max_characters = max_characters
        self._max_bytes = max_bytes
        self._timeout = timeout

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = request.get(EXCHANGE)
        if exchange is not None and exchange.endpoint.holds_text:
            exchange.text = await self._text(request, exchange.endpoint)
        return await handler(request)

    async def _text(self, request: web.Request, endpoint: Endpoint) -> bytes:
        codec = _codec(request.charset)
        raw = await self._read(request)
        try:
            return speakable(raw.decode(codec), self._max_characters)
        except UnicodeDecodeError:
            raise web.HTTPBadRequest(
                text=f"the text does not decode as {codec}; send UTF-8, or name its charset\n"
            ) from None
        except TextTooLongError:
            raise self._too_long() from None
        except NoTextError:
            raise no_body(endpoint) from None

    async def _read(self, request: web.Request) -> bytes:
        # No text within the limit is longer than this, so nothing longer is ever held.
        enough = self._max_characters * MAX_BYTES_A_CHARACTER + MAX_MARK_BYTES
        length = request.content_length
        if length is not None and length > enough:
            raise self._too_long()
        body = RequestBody(request, limit=self._max_bytes, timeout=self._timeout)
        text = bytearray()
        while piece := await body.read():
            text += piece
            if len(text) > enough:
                raise self._too_long()
        return bytes(text)

    def _too_long(self) -> web.HTTPException:
        return web.HTTPRequestEntityTooLarge(
            self._max_characters,
            self._max_characters + 1,
            text=f"the text is too long; at most {self._max_characters} characters are spoken\n",
        )


def _codec(charset: str | None) -> str:
    try:
        name = codecs.lookup(charset or "utf-8").name
    except (LookupError, ValueError):  # ValueError: a NUL in the name
        name = ""
    if name not in CHARSETS:
        raise web.HTTPBadRequest(text="the text's charset is not known here; send UTF-8\n")
    return name
