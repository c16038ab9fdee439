"""The metrics page, rendered for all scrapers that wait for it, and at a bounded cost.

Rendering takes milliseconds, in which the event loop does nothing else.
"""

import asyncio
from time import perf_counter

from aiohttp import web

from ..metrics import Encode, Metrics, page_format

MAX_SHARE = 0.1
"""Of the event loop's time; scrapers that come faster wait, and share a page."""


class MetricsPage:
    """Renders the page for everybody who asked before, so that nobody gets an old one."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._waiting: dict[str, tuple[Encode, asyncio.Future[bytes]]] = {}
        """The pages that are to be rendered next, by content type."""
        self._not_before = 0.0
        """The event loop's time."""

    async def answer(self, accept: str) -> web.Response:
        """Return the page in the format that accept asks for."""
        encode, content_type = page_format(accept)
        if content_type not in self._waiting:
            loop = asyncio.get_running_loop()
            if not self._waiting:
                loop.call_at(self._not_before, self._render)
            self._waiting[content_type] = encode, loop.create_future()
        _, page = self._waiting[content_type]
        body = await asyncio.shield(page)  # others may wait for it as well
        return web.Response(body=body, headers={"Content-Type": content_type})

    def _render(self) -> None:
        began = perf_counter()
        waiting, self._waiting = self._waiting, {}
        for encode, page in waiting.values():
            page.set_result(self._metrics.page(encode))
        spent = perf_counter() - began
        self._not_before = asyncio.get_running_loop().time() + spent / MAX_SHARE


METRICS_PAGE = web.AppKey("metrics_page", MetricsPage)


async def metrics_page(request: web.Request) -> web.Response:
    """Answer a scrape."""
    return await request.app[METRICS_PAGE].answer(",".join(request.headers.getall("Accept", [])))
