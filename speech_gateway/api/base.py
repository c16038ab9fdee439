"""What an API adds to the application."""

from collections.abc import Mapping, Sequence

from aiohttp import web

from ..endpoints import Endpoint, plain_text
from ..middlewares import Handler, Plugin
from ..server.request_body import defer_continue
from ..upstream.client import UpstreamClient


class Api:
    """One API on the pipelines: its endpoints, and what belongs to them."""

    endpoints: Sequence[Endpoint] = ()
    steps: Sequence[Plugin] = ()
    """Middlewares that read and judge a body before the gate."""
    body_limits: Mapping[str | tuple[str, str], int] = {}
    """Bytes, by path, or by path and media type, where they are not the gateway's."""
    prefix: str | None = None
    """What the paths begin with whose refusals are in this API's form, endpoints or not."""
    free_paths: Sequence[str] = ()
    """What the paths begin with that may be read without a client's key."""

    def format_error(self, refusal: web.Response) -> web.Response:
        """Put a refusal into the form that this API's clients read."""
        return plain_text(refusal)

    def add_routes(self, app: web.Application, client: UpstreamClient) -> None:
        """Add the routes, and what they share."""


def add_route(app: web.Application, path: str, handler: Handler, name: str | None = None) -> None:
    """Serve path to any method: a wrong one is refused by a middleware or handler, and counted."""
    app.router.add_route("*", path, handler, name=name, expect_handler=defer_continue)
