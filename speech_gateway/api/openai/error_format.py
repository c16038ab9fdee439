"""Errors in OpenAI's form: ``{"error": {"message", "type", "param", "code"}}``."""

import json
import logging
from http import HTTPStatus

from aiohttp import hdrs, web

from ...media.audio_errors import BROKEN

_PASSED_ON = (hdrs.RETRY_AFTER, hdrs.WWW_AUTHENTICATE, hdrs.ALLOW, hdrs.UPGRADE)
_CODES = {
    HTTPStatus.UNAUTHORIZED: "invalid_api_key",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_exceeded",
}

log = logging.getLogger(__name__)


def cannot_keep(error: OSError) -> web.HTTPException:
    """Return the 500 for audio that the gateway's own disk does not take; a retry may succeed."""
    log.error("audio cannot be kept in a temporary file: %s", error)
    return web.HTTPInternalServerError(text=f"{BROKEN}\n")


def error_object(message: str, status: int, param: str | None = None) -> dict[str, object]:
    """Return the error object of an answer or of an event."""
    server = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    kind = "server_error" if server else "invalid_request_error"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        kind = "rate_limit_error"
    return {
        "message": message,
        "type": kind,
        "param": param,
        "code": _CODES.get(HTTPStatus(status)),
    }


def as_openai(refusal: web.Response) -> web.Response:
    """Return refusal in OpenAI's form."""
    return web.json_response(
        {"error": error_of(refusal)},
        status=refusal.status,
        headers={name: refusal.headers[name] for name in _PASSED_ON if name in refusal.headers},
    )


def error_event(refusal: web.Response) -> bytes:
    """Return the event that tells, within a stream of events, that the request failed."""
    event = {"type": "error", "error": error_of(refusal)}
    return b"event: error\ndata: " + json.dumps(event).encode() + b"\n\n"


def error_of(refusal: web.Response) -> dict[str, object]:
    """Return the error object for a refusal."""
    message = (refusal.text or refusal.reason or "").strip()
    return error_object(message, _known(refusal.status), getattr(refusal, "param", None))


def _known(status: int) -> int:
    """Fold a status that is not registered to its class."""
    try:
        return HTTPStatus(status)
    except ValueError:
        return status // 100 * 100
