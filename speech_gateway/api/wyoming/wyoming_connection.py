"""One client's connection, from its beginning to its end, whoever ends it."""

import logging
from collections.abc import Callable

from aiohttp import web
from wyoming.error import Error

from ...exchange import Exchange
from .conversation import Conversation
from .current_work import CurrentWork
from .event_reader import BadMessageError, EventReader, TooLargeMessageError
from .event_writer import EventWriter
from .spoken_text import SpokenText
from .wyoming_services import WyomingServices

TEXT_PAUSE = 300.0
"""Seconds in which the next part of a text has to come: what writes it may think for minutes."""

log = logging.getLogger(__name__)


class WyomingConnection:
    """One client's connection.

    Args:
        exchange: the connection's; what is asked for on it has exchanges of its own.
    """

    def __init__(
        self,
        services: WyomingServices,
        reader: EventReader,
        writer: EventWriter,
        exchange: Exchange,
        request_id: str,
    ) -> None:
        self._services = services
        self._reader = reader
        self._writer = writer
        self._exchange = exchange
        self._work = work = CurrentWork(reader, exchange)
        self._conversation = Conversation(services, writer, work, exchange, request_id)
        reader.on_gone = work.cancel
        self.is_refused = False
        """Whether it was told why it ends, and has the time to read it."""
        self.on_refused: Callable[[], None] | None = None
        """Called then."""

    @property
    def is_busy(self) -> bool:
        """Whether something is being done for the client."""
        return self._work.is_busy

    async def run(self) -> None:
        """Serve until the client leaves, or the connection is closed for it."""
        self._services.checker.add(self._check)
        try:
            await self._serve()
        except ConnectionError:
            pass  # the client is gone
        finally:
            self._services.checker.remove(self._check)
            self._work.cancel()
            await self._work.wait()
            if self._is_half_heard:
                self._writer.reset()
            await self._writer.close()

    def finish(self) -> None:
        """Close the connection when what is being done is done."""
        self._work.is_over = True
        if not self.is_busy:
            self._reader.stop()

    def fail(self, failure: web.HTTPException) -> None:
        """Give up what is being done, and tell the client why, unless it was told something."""
        if self.is_refused:
            self.abort()
            return
        self._give_up_work(failure)
        self._reader.stop(failure)

    def abort(self) -> None:
        """Break the connection."""
        if self._is_half_heard:
            self._writer.reset()
        else:
            self._writer.abort()

    @property
    def _is_half_heard(self) -> bool:
        """Whether the client has some of a text's audio, and must not take it for all."""
        asked_for = self._work.last
        return isinstance(asked_for, SpokenText) and asked_for.is_half_heard

    async def _serve(self) -> None:
        try:
            while (event := await self._reader.read_event()) is not None:
                await self._conversation.take(event)
                if self._work.is_over and not self.is_busy:
                    return
        except TooLargeMessageError as error:
            await self._refuse(web.HTTPRequestEntityTooLarge(0, 0, text=f"{error}\n"))
        except BadMessageError as error:
            await self._refuse(web.HTTPBadRequest(text=f"{error}\n"))
        except web.HTTPException as failure:
            await self._refuse(failure)

    async def _refuse(self, failure: web.HTTPException) -> None:
        """Tell the client what is wrong, and end the connection: it is at a loss otherwise.

        Home Assistant waits for what it has asked for as long as the connection is there.
        """
        why = self._give_up_work(failure)
        await self._work.wait()
        log.info("a Wyoming client at %s is told: %s", self._exchange.client.address, why)
        await self._writer.send(Error(text=why, code=str(failure.status)).event())
        self.is_refused = True
        if self.on_refused is not None:
            self.on_refused()
        if self._is_half_heard:
            await self._writer.reset_softly(self._reader)
        else:
            await self._writer.close_softly(self._reader)

    def _give_up_work(self, failure: web.HTTPException) -> str:
        """Give up what is being done, which fails with the connection; return why."""
        why = (failure.text or "").strip()
        self._exchange.cut_off(failure.status, why)
        self._work.cancel(why)
        return why

    def _check(self, now: float) -> None:
        """Close an idle connection; give up what a silent client has begun."""
        timeout = self._services.settings.client_timeout
        reader, conversation = self._reader, self._conversation
        if not reader.waits:
            return  # what the client has sent waits here, and its silence is not its fault
        if reader.begun is not None:
            if now - reader.begun >= timeout:
                self._give_up(timeout)
        elif conversation.audio is not None:
            if now - conversation.fed_at >= timeout:
                self._give_up(timeout)
        elif conversation.text is not None:
            if now - conversation.fed_at >= TEXT_PAUSE:
                self._give_up(TEXT_PAUSE)
        elif not self.is_busy and now - max(reader.heard, self._work.ended_at) >= timeout:
            reader.stop()

    def _give_up(self, timeout: float) -> None:
        self.fail(web.HTTPRequestTimeout(text=f"nothing more came within {timeout:g} s\n"))
