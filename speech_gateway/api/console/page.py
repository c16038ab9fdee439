"""Serves the console: one HTML file, with headers that let it load and send nothing elsewhere."""

import base64
import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files

from aiohttp import hdrs, web

from ..base import Api
from ..pages import add_page

PATH = "/"
FILE = files(__package__).joinpath("page.html")
ANY_ETAG = "*"
_INLINE = r"<{0}(?: [^>]*)?>(.*?)</{0}>"


class ConsoleApi(Api):
    """The page; what it asks for are the other APIs' endpoints."""

    free_pages = (PATH,)

    def add_routes(self, app: web.Application) -> None:
        """Serve the page as it is in the file now."""
        add_page(app, PATH, Page(FILE.read_text(encoding="utf-8")).answer)


class Page:
    """The page's answer, made once: the text, its headers, its ETag."""

    def __init__(self, text: str) -> None:
        self._body = text.encode()
        self._headers = _headers(text)
        told = "".join(self._headers.values()).encode() + self._body
        self._etag = hashlib.sha256(told).hexdigest()[:32]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with the page, or with 304 to a browser that has it already."""
        known = {etag.value for etag in request.if_none_match or ()}
        if known & {self._etag, ANY_ETAG}:
            response = web.Response(status=304, headers=self._headers)
        else:
            response = web.Response(body=self._body, headers=self._headers)
        response.etag = self._etag
        return response


def _headers(text: str) -> Mapping[str, str]:
    return {
        hdrs.CONTENT_TYPE: "text/html; charset=utf-8",
        hdrs.CACHE_CONTROL: "no-cache",
        "Content-Security-Policy": "; ".join(_policy(text)),
        "Permissions-Policy": "microphone=(self)",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _policy(text: str) -> list[str]:
    """Return what the page may do; a script or style that is not the file's own is not run."""
    return [
        "default-src 'none'",
        # blob: for the microphone's AudioWorklet, which the page makes of its own script
        f"script-src {_hashes('script', text)} blob:",
        f"style-src {_hashes('style', text)}",
        "connect-src 'self'",
        "img-src data:",  # the icon
        "media-src blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]


def _hashes(tag: str, text: str) -> str:
    found = re.findall(_INLINE.format(tag), text, re.DOTALL)
    digests = (hashlib.sha256(inline.encode()).digest() for inline in found)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
