"""The steps in front of the handlers, one decision each.

A step validates its arguments when made and has ``async def setup(app)``, the convention of
aiohttp-remotes: so its tools, ours and an operator's plugins stand in one list.
"""

from abc import ABC, abstractmethod
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler


class Plugin(Protocol):
    """Whatever takes a place in the request's way."""

    async def setup(self, app: web.Application) -> None:
        """Add to app what the plugin is there for; most often to ``app.middlewares``."""


class Step(ABC):
    """A middleware of our own."""

    async def setup(self, app: web.Application) -> None:
        """Take the next place in the request's way."""
        app.middlewares.append(self.middleware)

    @abstractmethod
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Judge the request, and pass it on or raise the refusal."""


__all__ = ["Handler", "Plugin", "Step"]
