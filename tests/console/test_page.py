"""The console's page over HTTP: who gets it, with which headers, and what is in it."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from speech_gateway.api.console.page import FILE
from tests.support.backend import ScriptedBackend
from tests.support.client import Response
from tests.support.gateway import Served, serving

ON = ("--openai", "--console")
TEXT = FILE.read_text(encoding="utf-8")


class Inline(HTMLParser):
    """Finds the scripts and styles that stand in a page, and the addresses that it names."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {"script": [], "style": []}
        self.addresses: list[str] = []
        self.attributes: set[str] = set()
        self._within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag in self.found:
            self.found[tag].append("")

    def handle_endtag(self, _tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in self.found:
            self.found[self._within][-1] += data


@pytest.fixture
async def console(backend: ScriptedBackend) -> AsyncIterator[Served]:
    async with serving(backend.url, *ON) as served:
        yield served


def inline() -> Inline:
    parser = Inline()
    parser.feed(TEXT)
    return parser


def policy(response: Response) -> dict[str, list[str]]:
    directives = response.headers["content-security-policy"].split("; ")
    return {name: sources for name, *sources in (one.split() for one in directives)}


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


async def test_without_the_switch_there_is_no_page(backend: ScriptedBackend) -> None:
    async with serving(backend.url, "--openai") as gateway:
        assert (await gateway.ask("GET", "/")).status == 404


async def test_the_page_is_the_file(console: Served) -> None:
    page = await console.ask("GET", "/")

    assert (page.status, page.text) == (200, TEXT)
    assert page.headers["content-type"] == "text/html; charset=utf-8"


async def test_the_page_may_reach_nothing_but_its_own_gateway(console: Served) -> None:
    page = await console.ask("GET", "/")

    found = inline().found
    assert policy(page) == {
        "default-src": ["'none'"],
        "script-src": [*map(hash_of, found["script"]), "blob:"],
        "style-src": [*map(hash_of, found["style"])],
        "connect-src": ["'self'"],
        "img-src": ["data:"],
        "media-src": ["blob:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
    assert (len(found["script"]), len(found["style"])) == (1, 1)


async def test_browsers_are_told_to_guess_tell_and_keep_nothing(console: Served) -> None:
    headers = (await console.ask("GET", "/")).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["permissions-policy"] == "microphone=(self)"
    assert headers["cache-control"] == "no-cache"


async def test_head_has_the_same_head_and_no_page(console: Served) -> None:
    page, head = await console.ask("GET", "/"), await _head(console)

    own = {"date", "x-request-id"}
    assert {k: v for k, v in head.items() if k not in own} == {
        k: v for k, v in page.headers.items() if k not in own
    }


async def _head(console: Served) -> dict[str, str]:
    async with await console.connect() as client:
        client.request("HEAD", "/", {"Connection": "close"})
        status, headers = await client.head()
        assert status == 200
        assert await client.closed()
    headers.pop("connection")
    return headers


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
async def test_other_methods_are_refused(console: Served, method: str) -> None:
    refused = await console.ask(method, "/", body=b"")

    assert (refused.status, refused.headers["allow"]) == (405, "GET,HEAD")
    assert refused.text == "/ takes GET or HEAD\n"


async def test_a_browser_that_has_the_page_is_not_sent_it_again(console: Served) -> None:
    etag = (await console.ask("GET", "/")).headers["etag"]

    for known in (etag, f"W/{etag}", f'"another", {etag}', "*"):
        headers = {"If-None-Match": known, "Connection": "close"}
        again = await console.ask("GET", "/", headers)

        assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag), known
        assert "default-src 'none'" in again.headers["content-security-policy"]


async def test_a_browser_that_has_another_page_is_sent_this_one(console: Served) -> None:
    page = await console.ask("GET", "/", {"If-None-Match": '"another"'})

    assert (page.status, page.text) == (200, TEXT)


def test_the_page_needs_no_other_file() -> None:
    found = inline()

    assert [a for a in found.addresses if not a.startswith("data:")] == []
    assert "style" not in found.attributes
    assert [name for name in found.attributes if name.startswith("on")] == []
    assert re.findall(r"@import|url\(", found.found["style"][0]) == []
    assert "innerHTML" not in TEXT


async def test_the_page_needs_no_key_and_what_it_asks_for_does(
    backend: ScriptedBackend, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("radio k-4711-0815-abcdef\n")
    async with serving(backend.url, *ON, "--client-keys", str(tmp_path / "keys")) as gateway:
        assert (await gateway.ask("GET", "/")).status == 200
        assert (await gateway.ask("GET", "/other")).status == 401
        assert (await gateway.speak()).status == 401
        assert (await gateway.ask("POST", "/v1/audio/speech", body=b"{}")).status == 401
