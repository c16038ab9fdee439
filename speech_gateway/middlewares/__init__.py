"""The middlewares in front of the handlers, one decision each.

A step validates its arguments when it is created and has ``async def setup(app)``, the convention
of aiohttp-remotes: so its tools, ours and an operator's plugins are used alike.
"""

from abc import ABC, abstractmethod
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler


class Plugin(Protocol):
    """Anything that can be set up in front of the handlers."""

    async def setup(self, app: web.Application) -> None:
        """Add the plugin's parts to app, usually to ``app.middlewares``."""


class Step(ABC):
    """A middleware of our own."""

    async def setup(self, app: web.Application) -> None:
        """Add the middleware behind those that were added before."""
        app.middlewares.append(self.middleware)

    @abstractmethod
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check the request; call handler, or raise the refusal."""


__all__ = ["Handler", "Plugin", "Step"]
