"""A call to the backend: its media sent whole or live, and its answer."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import perf_counter

from aiohttp import web

from ..errors import TokenRefusedError, UpstreamError, UpstreamTimeoutError, as_http
from ..exchange import Exchange
from ..tasks import cancel_and_wait
from .answer_head import Answer, answer_of
from .backend_state import BackendState
from .bearer_token import BearerToken, authorization
from .connection import Sink, UpstreamConnection
from .connector import Connector
from .first_byte import FirstByteTimeout
from .observed_attempts import ObservedAttempts
from .request_format import CallTemplate, chunk
from .response_parser import ResponseHead

ERROR_BODY_LIMIT = 4096
ERROR_BODY_TIMEOUT = 1.0
TOKEN_REFUSED = (web.HTTPUnauthorized.status_code, web.HTTPForbidden.status_code)
"""The backend's answers to a wrong token of the gateway's: never the client's fault."""

log = logging.getLogger(__name__)


class Call:
    """A call to the backend, made within an ``async with`` block, which ends its connection.

    An UpstreamError that leaves the block becomes the 502 or 504 for the client.
    """

    def __init__(
        self,
        connector: Connector,
        template: CallTemplate,
        exchange: Exchange,
        request_id: str,
        *,
        token: BearerToken,
        state: BackendState,
        first_byte: FirstByteTimeout,
    ) -> None:
        self._connector = connector
        self._template = template
        self._exchange = exchange
        self._request_id = request_id
        self._token = token
        self._token_shown: str | None = None
        self._state = state
        self.first_byte = first_byte
        self._attempts = ObservedAttempts(exchange, connector.address)
        self._called = perf_counter()
        self._upstream: UpstreamConnection  # set once the backend is reached
        self._reached = False
        self._live = False
        self._media: bytes | None = None
        """The media of a whole call, which can be sent again; None for a live call."""
        self._reused = False
        """Whether the connection was used for other calls before."""

    async def __aenter__(self) -> "Call":
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        """End the connection; turn an UpstreamError into a response, and log why."""
        self._attempts.end_with(self._upstream if self._reached else None, error)
        if self._reached:
            if self._live:
                self._upstream.close()
            else:
                self._connector.finish(self._upstream)
        if isinstance(error, UpstreamError):
            self._state.suspect()
            what = "failed" if self._reached else "was not reached"
            self._exchange.explain(f"the backend {what}: {error}")
            raise as_http(error) from error

    async def send_whole(self, media: bytes) -> None:
        """Send a call whose media is complete.

        Raises:
            UpstreamError: the backend did not accept the connection.
        """
        self._media = media
        self._attempts.begin()
        kept = self._connector.reuse()
        if kept is None:
            await self._connect()
        else:
            self._upstream, self._reached, self._reused = kept, True, True
        await self._send_all(media)
        self.first_byte.begin()

    @asynccontextmanager
    async def sending(self, read: Callable[[], Awaitable[bytes]]) -> AsyncIterator[None]:
        """Begin a live call, and send what read returns while the block runs.

        Nothing is the end of the media. What read raises is raised where the answer is read.
        Raises as ``open`` does.
        """
        await self.open()
        sending = asyncio.create_task(self._send_live(read))
        try:
            yield
        finally:
            await cancel_and_wait(sending)

    async def _send_live(self, read: Callable[[], Awaitable[bytes]]) -> None:
        try:
            while piece := await read():
                await self.send(piece)
            self.finish()
        except Exception as error:  # noqa: BLE001 - raised again where the answer is read
            self.fail(error)

    async def open(self) -> None:
        """Begin a live call; the backend expects the media part to begin within 5 s.

        Live media cannot be sent again, so the connection is a new one; raises as send_whole.
        """
        self._live = True
        self._attempts.begin()
        await self._connect()
        self._upstream.send(self._template.opening(self._own_headers()))

    async def send(self, piece: bytes) -> None:
        """Send a piece of live media, and wait when the backend is slow to take it.

        Raises:
            UpstreamError: the call has failed, and no more is to be read for it.
        """
        self._upstream.send(chunk(piece))
        await self._upstream.drain()

    def finish(self) -> None:
        """End the live media."""
        self._upstream.send(self._template.closing())
        self._upstream.request_sent()

    def fail(self, error: Exception) -> None:
        """Give the call up: error is raised where the answer is read."""
        self._upstream.fail(error)

    async def answer(self) -> Answer:
        """Return the head of the answer.

        Raises:
            UpstreamError: the backend failed, or its answer must not be passed back.
            web.HTTPException: the upload failed.
        """
        head = await self.first_byte.ends(self._head_for_token())
        self._attempts.answered(head.status)
        self._state.answered()
        timings = self._exchange.timings
        if timings.backend is None:
            timings.backend = perf_counter() - self._called
        self._note_what_became_of_token(head.status)
        return answer_of(head)

    @property
    def answered(self) -> bool:
        """Whether the whole answer has come."""
        return self._upstream.complete

    async def forward(self, sink: Sink) -> bool:
        """Call sink with each piece of the answer's body but the last, as soon as it comes.

        Return True at the end, False when the sink is full. Raises as answer does.
        """
        return await self._upstream.forward(sink)

    async def read(self) -> bytes:
        """Return the answer's body since the last read, nothing at its end; raises as answer."""
        return await self._upstream.read()

    @property
    def cut_short(self) -> bool:
        """Whether the answer ended before the upload did, as when the pipeline has failed."""
        return self._upstream.cut_short

    def check_uncut(self) -> None:
        """Raise UpstreamError for an answer that was cut short."""
        if self.cut_short:
            raise UpstreamError("its answer ended while the upload went on")

    async def error_body(self) -> bytes:
        """Return the body of an error, at most 4,096 bytes, as far as it comes."""
        body = b""
        try:
            async with asyncio.timeout(ERROR_BODY_TIMEOUT):
                while len(body) < ERROR_BODY_LIMIT and (piece := await self._upstream.read()):
                    body += piece
        except (UpstreamError, web.HTTPException, TimeoutError) as error:
            # The status stands, whatever becomes of its text or of an upload that goes on.
            log.info("an error's body was cut: %s", error)
        return body[:ERROR_BODY_LIMIT]

    async def _head_for_token(self) -> ResponseHead:
        """Return the head of the answer; when the token was out of date, of a second answer."""
        head = await self._head()
        if head.status not in TOKEN_REFUSED:
            return head
        self._attempts.answered(head.status)
        await self._token.refresh()
        if self._media is None or self._token.value == self._token_shown:
            return head
        self._upstream.close()
        await self._send_again(self._media)
        return await self._upstream.head()

    def _note_what_became_of_token(self, status: int) -> None:
        if status in TOKEN_REFUSED:
            self._token.refuse(self._token_shown)
            if self._token_shown is None:
                raise TokenRefusedError(f"it wants a token ({status}), and the gateway has none")
            raise TokenRefusedError(f"it refuses the gateway's own token ({status})")
        if status < 300:
            self._token.accept(self._token_shown)

    async def _head(self) -> ResponseHead:
        try:
            return await self._upstream.head()
        except UpstreamTimeoutError:
            raise
        except UpstreamError as error:
            if self._media is None or not self._reused or not self._upstream.broke_untouched:
                raise
            # The backend was about to close the connection that was kept.
            self._upstream.close()
            await self._send_again(self._media, error)
            return await self._upstream.head()

    async def _send_again(self, media: bytes, error: UpstreamError | None = None) -> None:
        self._attempts.begin(error)
        await self._connect()
        await self._send_all(media)

    async def _connect(self) -> None:
        self._upstream = await self._connector.connect()
        self._reached, self._reused = True, False

    async def _send_all(self, media: bytes) -> None:
        first, *others = self._template.whole(self._own_headers(), media)
        self._upstream.send(first)
        for piece in others:
            await self._upstream.send_apart(piece)
        self._upstream.request_sent()

    def _own_headers(self) -> bytes:
        self._token_shown = shown = self._token.value
        return self._template.own_headers(
            self._request_id, self._attempts.trace, authorization(shown)
        )
