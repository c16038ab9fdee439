"""What another face on the same pipelines adds to the application."""

from collections.abc import Mapping, Sequence

from aiohttp import web

from ..endpoints import Endpoint
from ..middlewares import Plugin
from ..upstream.client import Skit


class Face:
    """Adds nothing; others add endpoints, and what belongs to them."""

    endpoints: Sequence[Endpoint] = ()
    steps: Sequence[Plugin] = ()
    """What reads and judges a body before the gate."""
    body_limits: Mapping[str | tuple[str, str], int] = {}
    """Bytes, by path, or by path and media type, where they are not the gateway's."""

    prefix: str | None = None
    """What the paths begin with that are refused in this face's words."""
    free: Sequence[str] = ()
    """What the paths begin with that need no client's key."""

    def phrase(self, refusal: web.Response) -> web.Response:
        """Put a refusal into the words that this face's clients understand."""
        return refusal

    def add_to(self, app: web.Application, skit: Skit) -> None:
        """Add the routes, and what they share."""
