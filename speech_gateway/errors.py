"""What fails outside of a request's own fault: the start of the gateway, and the backend."""

from aiohttp import web

CANNOT_SERVE = 1
"""Exit status: the settings are right, and something else stands in the way."""
WRONG_SETTINGS = 2
"""Exit status."""


class StartupError(Exception):
    """The gateway cannot start; ``problems`` are for people, a line each."""

    def __init__(self, *problems: str, exit_status: int = CANNOT_SERVE) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.exit_status = exit_status


class UpstreamError(Exception):
    """The backend refused, broke off or spoke nonsense; the message is for the log alone."""


class UpstreamUnreachableError(UpstreamError):
    """No connection to the backend could be opened."""


class UpstreamTimeoutError(UpstreamError):
    """The backend took too long: to accept, to answer, to go on, or to take what was sent."""


class TokenRefusedError(UpstreamError):
    """The backend refuses the gateway's own token, or wants one where there is none."""


def as_http(error: UpstreamError) -> web.HTTPException:
    """Return what a client is told of a fault of the backend's: nothing of the inside."""
    if isinstance(error, UpstreamTimeoutError):
        return web.HTTPGatewayTimeout(
            text="the speech backend took too long to answer; try again later\n"
        )
    return web.HTTPBadGateway(text="the speech backend failed on this request; try again later\n")
