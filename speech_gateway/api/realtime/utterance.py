"""Something that a client says: one call to the backend, fed while it is spoken."""

import asyncio
from contextlib import aclosing
from secrets import token_hex
from time import perf_counter

from aiohttp import web

from ...exchange import Exchange
from ...media.live.live_messages import By, Ended
from ..audio_buffer import Allowance, AudioBuffer
from ..openai.error_format import error_of
from ..resources import TranscriptionWish
from ..transcript import Transcript
from .realtime_endpoints import UTTERANCE
from .services import Services
from .socket import RealtimeSocket

TRANSCRIPTION = "conversation.item.input_audio_transcription"
CONTENT_INDEX = 0


class Utterance:
    """One utterance, from its first sound to its transcript.

    Its transcript, or why there is none, is sent when it was committed; deltas come before.
    """

    def __init__(
        self, services: Services, socket: RealtimeSocket, allowance: Allowance, request_id: str
    ) -> None:
        self.item_id = f"item_{token_hex(12)}"
        self.audio = AudioBuffer(allowance)
        self._services = services
        self._socket = socket
        self._request_id = request_id
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._committed_at = 0.0
        self._before: Utterance | None = None
        """The utterance that was committed before it."""
        self._told = asyncio.Event()
        self._exchange: Exchange | None = None
        """None when it holds nothing to be transcribed."""

    def commit(self, ended: Ended, before: "Utterance | None") -> None:
        """Say that it has ended, where, and behind which other one; the client knows."""
        self._committed_at = perf_counter()
        self._before = before
        self.audio.end()
        self._ended.set_result(ended)

    async def transcribe(self, connection: Exchange, wish: TranscriptionWish) -> None:
        """Have it transcribed while it comes, and tell the client."""
        try:
            async with self._services.requests.slot(
                UTTERANCE, connection, self._request_id
            ) as exchange:
                self._exchange = exchange
                text = await self._recognise(exchange, wish)
        except web.HTTPException as failure:
            self.audio.discard()
            await self._turn()
            await self._tell_last("failed", error=error_of(failure))
        else:
            await self.tell_transcript(text)

    async def tell_transcript(self, text: str) -> None:
        """Tell the client the whole transcript, as soon as it knows of the end."""
        ended = await self._turn()
        usage = {"type": "duration", "seconds": round(ended.seconds, 3)}
        await self._tell_last("completed", transcript=text, usage=usage)
        if ended.speech_heard_at:
            end = self._committed_at if ended.by is By.COMMIT else ended.speech_heard_at
            self._services.metrics.transcribed(self._exchange, perf_counter() - end)

    async def tell_failure(self, refusal: web.HTTPException) -> None:
        """Tell the client that it is given up, if it was committed and nothing else was told."""
        if self._ended.done() and not self._told.is_set():
            await self._tell_last("failed", error=error_of(refusal))

    async def _turn(self) -> Ended:
        """Wait until it has ended, and the client was told of the one before it.

        Some clients take the first transcript that comes for the first utterance.
        """
        ended = await asyncio.shield(self._ended)  # a cancel is not to cancel it as well
        before, self._before = self._before, None  # or each would keep all those before it
        if before is not None:
            await before._told.wait()
        return ended

    async def _recognise(self, exchange: Exchange, wish: TranscriptionWish) -> str:
        """Return what is said; raises web.HTTPException."""
        transcript = Transcript()
        template = self._services.resources.transcription_template(wish)

        async def read() -> bytes:
            piece = await self.audio.read()
            exchange.bytes_in += len(piece)
            return piece

        texts = self._services.requests.hear(exchange, self._request_id, template, read, transcript)
        async with aclosing(texts):
            async for text in texts:
                await self._tell_delta(exchange, text)
        return transcript.text

    async def _tell_delta(self, exchange: Exchange, text: str) -> None:
        """Tell the client some of the text; all deltas joined are the transcript."""
        delta = f" {text}" if exchange.bytes_out else text
        exchange.sent(len(delta.encode()))
        await self._tell("delta", delta=delta)

    async def _tell_last(self, what: str, **fields: object) -> None:
        """Tell how it ended; a frame is written at once, so the next one may be told behind it."""
        self._told.set()
        await self._tell(what, **fields)

    async def _tell(self, what: str, **fields: object) -> None:
        await self._socket.send(
            f"{TRANSCRIPTION}.{what}", item_id=self.item_id, content_index=CONTENT_INDEX, **fields
        )
