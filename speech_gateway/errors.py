"""Errors: of the backend, and of what a request asks for."""

from aiohttp import web


class UpstreamError(Exception):
    """The backend refused, broke off or broke the protocol; the message is for the log alone."""


class UnreachableError(UpstreamError):
    """No connection to the backend could be opened."""


class UpstreamTimeoutError(UpstreamError):
    """The backend took too long: to accept, to answer, to go on, or to take what was sent."""


class TokenRefusedError(UpstreamError):
    """The backend refuses the gateway's own token, or wants one where there is none."""


class FieldError(web.HTTPBadRequest):
    """A field of the request is wrong; the message says what would be right."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(text=f"{param}: {message}\n")
        self.param = param


def as_http(error: UpstreamError) -> web.HTTPException:
    """Return the response for a fault of the backend; it tells nothing of the backend."""
    if isinstance(error, UpstreamTimeoutError):
        return web.HTTPGatewayTimeout(
            text="the speech backend took too long to answer; try again later\n"
        )
    return web.HTTPBadGateway(text="the speech backend failed on this request; try again later\n")
