"""The base class of an API: what it adds to the application."""

from collections.abc import Mapping, Sequence

from aiohttp import web

from ..endpoints import Endpoint, plain_text
from ..middlewares import Handler, Plugin
from ..server.request_body import defer_continue


class Api:
    """One API on the pipelines: its endpoints, the middlewares that they need, and the routes."""

    endpoints: Sequence[Endpoint] = ()
    steps: Sequence[Plugin] = ()
    """Middlewares that read and judge a body before the gate."""
    body_limits: Mapping[str | tuple[str, str], int] = {}
    """In bytes, by path, or by path and media type, where the limit is not the gateway's own."""
    prefix: str | None = None
    """Refusals of paths that begin so are in this API's form, also where there is no endpoint."""
    free_paths: Sequence[str] = ()
    """Paths that begin so can be read without a client key."""
    free_pages: Sequence[str] = ()
    """The same, of these paths alone."""

    def format_error(self, refusal: web.Response) -> web.Response:
        """Return a refusal in the form that this API's clients read."""
        return plain_text(refusal)

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to app, and what their handlers share."""

    def add_fallbacks(self, app: web.Application) -> None:
        """Add the routes for what no API has a route for."""


def add_route(app: web.Application, path: str, handler: Handler, name: str | None = None) -> None:
    """Route every method of path to handler: a wrong method is refused there, and counted."""
    app.router.add_route("*", path, handler, name=name, expect_handler=defer_continue)
