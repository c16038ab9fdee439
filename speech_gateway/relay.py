"""Relays the backend's answer to the client, piece by piece."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from .errors import UpstreamError, as_http
from .exchange import CLIENT_LEFT, EXCHANGE, Exchange
from .server.aiohttp_internals import RelayedResponse
from .server.keep_alive import decide_keep_alive
from .server.response_writer import WRITE_TIMEOUT, ResponseWriter, Transform, break_off
from .upstream.answer_head import Answer
from .upstream.call import Call
from .upstream.first_sound import FirstSound
from .upstream.transcript_unwrapping import refuse_html

CUT_OFF_TIMEOUT = 1.0
"""Seconds that a client gets to take what was sent before the connection is broken."""


class Body(Protocol):
    """The body of an answer, on its way from the backend to the client."""

    transform: Transform | None
    """Applied to the body as it passes."""

    async def open(self, answer: Answer) -> None:
        """Wait for what must come before the head of a 200.

        Raises:
            UpstreamError: the answer is not what was asked for.
            web.HTTPException: the request failed otherwise.
        """

    async def relay(self, writer: ResponseWriter) -> None:
        """Send all of it, and end the answer; raises as open does."""

    async def close(self) -> None:
        """Give up what is not finished."""


class PassedThrough:
    """A body that is passed through as it comes."""

    def __init__(
        self, call: Call, transform: Transform | None = None, opening: bytes = b""
    ) -> None:
        self.transform = transform
        self._call = call
        self._opening = opening
        """What was read of the body already."""
        self._whole: bytes | None = None
        """The whole body, as it is to be sent, if it was complete before the head."""

    async def open(self, answer: Answer) -> None:  # noqa: ARG002 - other kinds of body ask for it
        """Take the whole body if it is complete already; raises as Body.open does."""
        await self._take_whole()

    async def _take_whole(self) -> None:
        """Check an answer that is complete, while it can still be refused."""
        if not self._call.answered:
            return
        self._call.check_uncut()
        body = self._opening + await self._call.read()
        if self.transform is not None:
            body = self.transform.feed(body) + self.transform.flush()
        self._whole = body

    async def relay(self, writer: ResponseWriter) -> None:
        """Send the pieces from within the event loop's callbacks, as they come."""
        if self._whole is not None:
            await writer.end(self._whole, transformed=True)
            return
        await writer.start(self._opening)
        while not await self._call.forward(writer.write):
            await writer.drain()
        rest = await self._call.read()
        if self._call.cut_short:
            writer.write(rest)
            self._call.check_uncut()
        await writer.end(rest)

    async def close(self) -> None:
        """Do nothing."""


class SpeechBody(PassedThrough):
    """Audio; the head waits for the first sound."""

    async def open(self, answer: Answer) -> None:
        """Wait for the first sound, and keep the bytes up to it."""
        self._opening = await first_sound(self._call, answer)
        await self._take_whole()


class TranscriptsBody(PassedThrough):
    """Transcripts; the head waits for none, as they may take long."""

    async def open(self, answer: Answer) -> None:
        """Check what has come already, without waiting."""
        refuse_html(answer.content_type or "", b"")
        await self._take_whole()


async def first_sound(call: Call, answer: Answer) -> bytes:
    """Return the answer's body up to its first sound.

    Raises:
        UpstreamError: it has none.
    """
    return await call.first_byte.ends(_first_sound(call, FirstSound(answer.content_type)))


async def _first_sound(call: Call, sound: FirstSound) -> bytes:
    while piece := await call.read():
        if sound.feed(piece):
            return bytes(sound.held)
    sound.end()
    return b""


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """The form in which an answer is sent to the client."""

    body: Callable[[Call], Body]
    content_type: str | None = None
    """The content type, instead of the backend's."""
    error_event: Callable[[web.Response], bytes] | None = None
    """Returns the event that tells a client that the answer failed, before the break."""


async def relay(
    request: web.Request, call: Call, answer_format: AnswerFormat
) -> web.StreamResponse:
    """Send the backend's answer to the client, in a format.

    Raises:
        UpstreamError: the backend failed before the head was sent.
        web.HTTPException: the upload failed before the head was sent.
    """
    body = answer_format.body(call)
    try:
        answer = await call.answer()
        if answer.status >= 400:
            return await backend_error(request[EXCHANGE], call, answer)
        await body.open(answer)
        return await _send(request, answer, body, answer_format)
    finally:
        await body.close()


async def _send(
    request: web.Request, answer: Answer, body: Body, answer_format: AnswerFormat
) -> web.StreamResponse:
    """Send the head and the body; break the connection when the body fails."""
    headers = _headers(
        answer, request[EXCHANGE].endpoint.service.answer_type, answer_format.content_type
    )
    response = RelayedResponse(status=answer.status, headers=headers)
    decide_keep_alive(request, response, streamed=True)
    writer = ResponseWriter(request, response, request.app[WRITE_TIMEOUT], body.transform)
    try:
        await writer.prepare()
        await body.relay(writer)
    except UpstreamError as error:
        await _cut_off(writer, answer_format, as_http(error), f"the backend broke off: {error}")
    except web.HTTPException as fault:
        await _cut_off(writer, answer_format, fault, f"the request failed: {fault.text}")
    except ConnectionError:
        break_off(request, CLIENT_LEFT)
    finally:
        writer.close()
    return response


async def _cut_off(
    writer: ResponseWriter, answer_format: AnswerFormat, fault: web.HTTPException, why: str
) -> None:
    if answer_format.error_event is not None:
        writer.write_error(answer_format.error_event(fault))
    await writer.cut_off(fault.status, why, timeout=CUT_OFF_TIMEOUT)


async def backend_error(exchange: Exchange, call: Call, answer: Answer) -> web.Response:
    """Return the backend's error in the form of the endpoint's API."""
    body = await call.error_body()
    exchange.explain("the backend refused")
    exchange.refused_by_backend = True
    if body:
        headers = _headers(answer, "text/plain; charset=utf-8")
        response = web.Response(status=answer.status, body=body, headers=headers)
    else:
        text = f"the speech backend refused this request with {answer.status}\n"
        response = web.Response(status=answer.status, text=text)
    return exchange.endpoint.format_error(response)


def _headers(answer: Answer, fallback: str, override: str | None = None) -> dict[str, str]:
    """Return the headers to pass back; fallback is the type where the backend names none."""
    headers = {"Content-Type": override or answer.content_type or fallback}
    if answer.retry_after is not None:
        headers["Retry-After"] = answer.retry_after
    return headers
