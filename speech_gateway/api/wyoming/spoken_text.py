"""A text that a client has spoken: the events of its audio."""

from contextlib import aclosing

from aiohttp import web
from wyoming.audio import AudioChunk, AudioFormat, AudioStart, AudioStop
from wyoming.tts import SynthesizeStopped

from ...exchange import Exchange
from .event_writer import EventWriter
from .text_pieces import TextPieces
from .wyoming_endpoints import SPOKEN
from .wyoming_services import WyomingServices

JOB = "pcm"
"""What the media workers call the conversion."""
SPOKEN_AS = AudioFormat(rate=24_000, width=2, channels=1)
"""What it makes."""
SPEED = 1.0


class SpokenText:
    """One text, spoken piece by piece, each as a request of its own.

    No slot is held while the next piece is waited for.

    Args:
        voice: one of the voices' names.
        streamed: whether the client sends it in parts, and is told of the end.
    """

    def __init__(
        self,
        services: WyomingServices,
        writer: EventWriter,
        request_id: str,
        voice: str,
        *,
        streamed: bool,
    ) -> None:
        self.pieces = TextPieces(services.settings.max_tts_text_size)
        self._services = services
        self._writer = writer
        self._request_id = request_id
        self._voice = voice
        self._streamed = streamed
        self._bytes = 0
        """Bytes of audio that were sent."""
        self._ended = False
        self.is_counted = False
        """Whether a piece is being spoken, and counted."""

    @property
    def is_half_heard(self) -> bool:
        """Whether some of its audio was sent, and not the end."""
        return self._bytes > 0 and not self._ended

    async def serve(self, connection: Exchange) -> None:
        """Speak the text, and send the audio as it comes.

        Raises:
            web.HTTPException: it cannot be spoken.
            ConnectionError: the client is gone.
        """
        number = 0
        try:
            while piece := await self.pieces.next():
                number += 1
                self.is_counted = True
                await self._speak_piece(connection, piece, f"{self._request_id}.{number}")
                self.is_counted = False
        finally:
            self.pieces.close()
        if not self._bytes:
            refusal = web.HTTPBadRequest(text="there is nothing in the text to be spoken\n")
            self._services.requests.refuse(SPOKEN, connection, self._request_id, refusal)
            raise refusal
        self._ended = True
        await self._writer.send(AudioStop(timestamp=self._milliseconds).event())
        if self._streamed:
            await self._writer.send(SynthesizeStopped().event())

    async def _speak_piece(self, connection: Exchange, piece: str, request_id: str) -> None:
        requests = self._services.requests
        async with requests.slot(SPOKEN, connection, request_id) as exchange:
            exchange.text = piece.encode()
            audio = requests.speak(exchange, request_id, self._voice, SPEED, JOB)
            async with aclosing(audio):
                async for samples in audio:
                    await self._send(samples)
                    exchange.sent(len(samples))

    async def _send(self, samples: bytes) -> None:
        form = SPOKEN_AS.to_dict()
        if not self._bytes:
            await self._writer.send(AudioStart(**form, timestamp=0).event())
        chunk = AudioChunk(**form, audio=samples, timestamp=self._milliseconds)
        self._bytes += len(samples)
        await self._writer.send(chunk.event())

    @property
    def _milliseconds(self) -> int:
        return self._bytes * 1000 // (SPOKEN_AS.rate * SPOKEN_AS.width * SPOKEN_AS.channels)
