"""What is said on live connections: each utterance and each text is a request of its own."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus

from aiohttp import web

from ..endpoints import Endpoint
from ..exchange import Exchange
from ..media.workers.conversion import Conversion
from ..metrics import Metrics
from ..middlewares.concurrency_gate import Gate
from ..middlewares.request_log import tell_outcome
from ..observers import Observers
from ..relay import backend_error
from ..upstream.answer_head import Answer
from ..upstream.call import Call
from ..upstream.client import UpstreamClient
from ..upstream.request_format import CallTemplate
from ..upstream.transcript_unwrapping import refuse_html
from .converted_speech import Converted
from .resources import Resources
from .transcript import Transcript, TranscriptReader

log = logging.getLogger(__name__)


class _BackendRefusal(web.HTTPException):
    """An error that the backend has answered, with its status and text."""

    status_code = web.HTTPBadGateway.status_code

    def __init__(self, answer: web.Response) -> None:
        super().__init__(text=answer.text)
        self.set_status(answer.status)


@dataclass(frozen=True, slots=True)
class LiveRequests:
    """Counts, logs and gates what is said on live connections, and has it spoken or transcribed."""

    client: UpstreamClient
    resources: Resources
    gate: Gate
    metrics: Metrics
    observers: Observers

    @asynccontextmanager
    async def slot(
        self, endpoint: Endpoint, connection: Exchange, request_id: str
    ) -> AsyncIterator[Exchange]:
        """Count and log something said on a connection as a request, and hold a slot for it.

        Args:
            endpoint: what is said, as an endpoint; its first method is counted.
            connection: the connection's exchange.

        Raises:
            web.HTTPException: it failed; for whatever else is raised within, too.
        """
        exchange = self._begin(endpoint, connection, request_id)
        try:
            async with self.gate.slot(exchange):
                yield exchange
            exchange.end(web.HTTPOk.status_code)
        except web.HTTPException as failure:
            exchange.cut_off(failure.status, failure.text or "")
            raise
        except ConnectionError:  # the client is gone
            raise
        except asyncio.CancelledError as cancelled:
            exchange.explain(str(cancelled))  # nothing, when the client has left
            raise
        except Exception as error:
            log.exception("%s failed in the gateway", request_id)
            exchange.cut_off(web.HTTPInternalServerError.status_code, "the gateway failed")
            raise web.HTTPInternalServerError(
                text=f"the gateway failed; its log says why: {request_id}\n"
            ) from error
        finally:
            if connection.outcome is not None and connection.outcome >= HTTPStatus.BAD_REQUEST:
                exchange.cut_off(connection.outcome, connection.why)  # it was broken off with it
            self._end(exchange)

    def refuse(
        self, endpoint: Endpoint, connection: Exchange, request_id: str, failure: web.HTTPException
    ) -> None:
        """Count and log something said on a connection that is refused before it wants a slot."""
        exchange = self._begin(endpoint, connection, request_id)
        exchange.cut_off(failure.status, failure.text or "")
        self._end(exchange)

    def _begin(self, endpoint: Endpoint, connection: Exchange, request_id: str) -> Exchange:
        exchange = Exchange(
            endpoint,
            connection.clock,
            request_id=request_id,
            client=replace(connection.client),
            trace=connection.trace,
        )
        self.metrics.received(exchange)
        self.observers.begin(exchange)
        return exchange

    def _end(self, exchange: Exchange) -> None:
        method = exchange.endpoint.methods[0]
        tell_outcome(exchange, method)
        self.metrics.finished(exchange, method)

    async def speak(
        self, exchange: Exchange, request_id: str, voice: str, speed: float, job: str
    ) -> AsyncGenerator[bytes, None]:
        """Yield the exchange's text as audio, as it comes, converted by a job of the media workers.

        Raises:
            web.HTTPException: it cannot be spoken.
        """
        template = self.resources.speech_template(voice, speed)
        async with (
            Conversion(self.resources.workers, job) as conversion,
            self.client.call(exchange, request_id, template) as call,
        ):
            await conversion.begin()  # the worker prepares itself while the backend does
            await call.send_whole(exchange.text)
            audio = Converted(call, None, conversion)
            try:
                await audio.open(await _answer(call, exchange))
                yield audio.opening
                async for piece in audio.rest():
                    yield piece
            finally:
                await audio.close()

    async def hear(
        self,
        exchange: Exchange,
        request_id: str,
        template: CallTemplate,
        read: Callable[[], Awaitable[bytes]],
        transcript: Transcript,
    ) -> AsyncGenerator[str, None]:
        """Yield the texts of what is said, as they come; transcript then holds all of them.

        Args:
            read: returns the next Ogg/Opus, nothing at the end.

        Raises:
            web.HTTPException: it cannot be transcribed.
        """
        reader = TranscriptReader(transcript)
        call = self.client.call(exchange, request_id, template)
        async with call, call.sending(read):
            answer = await _answer(call, exchange)
            refuse_html(answer.content_type or "", b"")
            while piece := await call.read():
                for text in reader.feed(piece):
                    yield text
            call.check_uncut()
            reader.end()


async def _answer(call: Call, exchange: Exchange) -> Answer:
    """Return the head of the backend's answer; raises web.HTTPException for an error."""
    answer = await call.answer()
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise _BackendRefusal(await backend_error(exchange, call, answer))
    return answer


LIVE_REQUESTS = web.AppKey("live_requests", LiveRequests)
