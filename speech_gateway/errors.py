"""Errors: of the gateway's start, and of the backend."""

from aiohttp import web

CANNOT_SERVE = 1
"""Exit status when the settings are right and something else fails."""
WRONG_SETTINGS = 2
"""Exit status when the settings are wrong."""


class StartupError(Exception):
    """The gateway cannot start; ``problems`` are for people, a line each."""

    def __init__(self, *problems: str, exit_status: int = CANNOT_SERVE) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.exit_status = exit_status


class UpstreamError(Exception):
    """The backend refused, broke off or broke the protocol; the message is for the log alone."""


class UpstreamTimeoutError(UpstreamError):
    """The backend took too long: to accept, to answer, to go on, or to take what was sent."""


class TokenRefusedError(UpstreamError):
    """The backend refuses the gateway's own token, or wants one where there is none."""


def as_http(error: UpstreamError) -> web.HTTPException:
    """Return the response for a fault of the backend; it tells nothing of the backend."""
    if isinstance(error, UpstreamTimeoutError):
        return web.HTTPGatewayTimeout(
            text="the speech backend took too long to answer; try again later\n"
        )
    return web.HTTPBadGateway(text="the speech backend failed on this request; try again later\n")
