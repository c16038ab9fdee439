"""OpenAI's audio API as its clients use it: orders of speech, forms with a file, errors."""

import json
from typing import Any

from .client import Asked, Response

SPEECH_PATH = "/v1/audio/speech"
TRANSCRIPTIONS_PATH = "/v1/audio/transcriptions"
JSON = {"Content-Type": "application/json"}
ORDER = {"model": "tts-1", "input": "Hello.", "voice": "alloy", "response_format": "opus"}

BOUNDARY = "between"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
LAST_BOUNDARY = f"--{BOUNDARY}--\r\n".encode()
Fields = list[tuple[str, bytes]]


def part(name: str, value: bytes) -> bytes:
    """Return a field of a form; the one named ``file`` has a file's name and type."""
    file = '; filename="a.ogg"\r\nContent-Type: audio/ogg' if name == "file" else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def form(fields: Fields) -> bytes:
    return b"".join(part(name, value) for name, value in fields) + LAST_BOUNDARY


BEFORE_FILE = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
).encode()
BEHIND_FILE = b"\r\n" + part("language", b"en") + LAST_BOUNDARY
"""What stands around a file that is sent piece by piece; its type is not told."""


async def order(at: Asked, /, **fields: Any) -> Response:
    """Order speech; a field that is None is left out."""
    given = {name: value for name, value in (ORDER | fields).items() if value is not None}
    return await at.ask("POST", SPEECH_PATH, JSON, json.dumps(given).encode())


async def send_form(at: Asked, fields: Fields | bytes) -> Response:
    """Have a form's file transcribed; the form may be one already."""
    body = fields if isinstance(fields, bytes) else form(fields)
    return await at.ask("POST", TRANSCRIPTIONS_PATH, FORM, body)


def error_of(response: Response) -> dict[str, Any]:
    """Return the error that a response tells in OpenAI's words."""
    assert response.headers["content-type"].startswith("application/json")
    assert "x-request-id" in response.headers
    error: dict[str, Any] = json.loads(response.body)["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return error


def events_of(response: Response) -> list[dict[str, Any]]:
    """Return the events that a response tells."""
    assert response.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line[6:]) for line in response.text.split("\n\n") if line]
