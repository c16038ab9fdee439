"""Something that a client has said: its audio, fed to the backend while it comes, and its text."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from time import perf_counter
from typing import Any

from aiohttp import web
from wyoming.asr import Transcript as TranscriptEvent
from wyoming.asr import TranscriptChunk, TranscriptStart, TranscriptStop

from ...exchange import Exchange
from ...media.audio_errors import BadAudioError, ConversionFailedError
from ...media.live.live_messages import (
    MAX_CHANNELS,
    SAMPLE_SIZES,
    Listening,
    Told,
    pack,
    pack_object,
)
from ...media.workers.conversion import Conversion
from ...server.upload_rate import LEAST_PACE, UploadRate
from ...tasks import cancel_and_wait
from ..audio_buffer import Allowance, AudioBuffer
from ..resources import TranscriptionWish
from ..transcript import Transcript
from .event_writer import EventWriter
from .wyoming_endpoints import HEARD
from .wyoming_services import WyomingServices

JOB = "samples"
"""What the media workers call the conversion."""
MAX_HELD = 1024 * 1024
"""Bytes that wait: 32 s of 16 kHz, as long as one waits for a slot. More is read more slowly."""
CODECS = {1: "pcm_u8", 2: "pcm_s16le", 3: "pcm_s24le", 4: "pcm_s32le"}
"""By the bytes of a sample."""
SLOWEST, FASTEST = 4_000, 192_000
WRONG_FORMAT = (
    f"audio has a rate from {SLOWEST} to {FASTEST}, a width of 1 to {max(CODECS)} bytes and 1 to "
    f"{MAX_CHANNELS} channels; tell them with each audio-chunk\n"
)


class HeardAudio:
    """One utterance, from its first audio to its transcript."""

    def __init__(
        self,
        services: WyomingServices,
        writer: EventWriter,
        request_id: str,
        wish: TranscriptionWish,
    ) -> None:
        self._services = services
        self._writer = writer
        self._request_id = request_id
        self._wish = wish
        self.is_counted = True
        """It is counted from its beginning on."""
        self._audio = AudioBuffer(Allowance(MAX_HELD))
        self._listening: Listening | None = None
        self._rate = UploadRate(0.0) if services.settings.min_upload_rate else None
        self._received = 0
        self._ended_at = 0.0
        self._told = False
        """Whether the client was told of a transcript's start."""

    async def feed(self, listening: Listening, samples: bytes, waited: float) -> None:
        """Hear samples, as soon as there is room for them.

        Args:
            listening: of what kind they are.
            waited: seconds for which they were waited for.

        Raises:
            web.HTTPException: they are refused.
        """
        if listening != self._listening:
            self._listening = listening
            await self._audio.put(pack_object(Told.CONFIGURE, listening))
        self._received += len(samples)
        most = self._services.settings.max_upload_bytes
        if self._received > most:
            raise web.HTTPRequestEntityTooLarge(
                most, self._received, text=f"what is said may have at most {most} bytes of audio\n"
            )
        self._check_pace(listening, len(samples), waited)
        await self._audio.put(pack(Told.AUDIO, samples))

    def end(self) -> None:
        """Say that no more will come."""
        self._ended_at = perf_counter()
        self._audio.end()

    async def serve(self, connection: Exchange) -> None:
        """Have it transcribed while it comes, and send the text as it comes.

        Raises:
            web.HTTPException: it cannot be transcribed.
            ConnectionError: the client is gone.
        """
        try:
            slot = self._services.requests.slot(HEARD, connection, self._request_id)
            async with slot as exchange:
                await self._services.resources.check_ability(exchange, self._wish)
                transcript = await self._recognise(exchange)
                await self._tell(exchange, transcript)
        finally:
            self._audio.discard()
        self._services.metrics.transcribed(exchange, perf_counter() - self._ended_at)

    async def _recognise(self, exchange: Exchange) -> Transcript:
        services, transcript = self._services, Transcript()
        template = services.resources.transcription_template(self._wish)
        async with Conversion(services.resources.workers, JOB) as conversion:
            feeding = asyncio.create_task(conversion.feed_all(self._pieces(exchange)))
            try:
                texts = services.requests.hear(
                    exchange, self._request_id, template, lambda: _read(conversion), transcript
                )
                async with aclosing(texts):
                    async for text in texts:
                        await self._tell_chunk(exchange, text)
            finally:
                await cancel_and_wait(feeding)
        return transcript

    async def _pieces(self, exchange: Exchange) -> AsyncIterator[bytes]:
        while piece := await self._audio.read():
            exchange.bytes_in = self._received
            yield piece

    async def _tell_chunk(self, exchange: Exchange, text: str) -> None:
        """Tell some of the text; all chunks joined are the whole."""
        chunk = f" {text}" if self._told else text
        await self._tell_start()
        await self._writer.send(TranscriptChunk(text=chunk).event())
        exchange.sent(len(chunk.encode()))

    async def _tell(self, exchange: Exchange, transcript: Transcript) -> None:
        """Tell the whole text, as clients do that want no parts of it."""
        await self._tell_start()
        text, language = transcript.text, transcript.language or None
        await self._writer.send(TranscriptEvent(text=text, language=language).event())
        await self._writer.send(TranscriptStop().event())
        exchange.sent(len(text.encode()))

    async def _tell_start(self) -> None:
        if not self._told:
            self._told = True
            await self._writer.send(TranscriptStart().event())

    def _check_pace(self, listening: Listening, size: int, waited: float) -> None:
        if self._rate is None:
            return
        pace = listening.rate * listening.channels * SAMPLE_SIZES[listening.codec]
        self._rate.min_rate = LEAST_PACE * pace
        if not self._rate.is_enough(size, waited):
            raise web.HTTPRequestTimeout(text="the audio comes far more slowly than one speaks\n")


async def tell_silence(writer: EventWriter) -> None:
    """Tell that nothing was said, as a satellite does whose microphone was off."""
    for told in (TranscriptStart(), TranscriptEvent(text=""), TranscriptStop()):
        await writer.send(told.event())


async def _read(conversion: Conversion) -> bytes:
    """Return the next of the converted audio; raises web.HTTPException."""
    try:
        return await conversion.read()
    except BadAudioError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error
    except ConversionFailedError as error:
        raise web.HTTPInternalServerError(text=f"{error}\n") from error


def kind_of_samples(told: Mapping[str, Any]) -> Listening:
    """Return what kind of samples comes: rate, width, channels; raises web.HTTPBadRequest."""
    form: list[Any] = [told.get(name) for name in ("rate", "width", "channels")]
    if any(type(value) is not int for value in form):
        raise web.HTTPBadRequest(text=WRONG_FORMAT)
    rate, width, channels = form
    if not SLOWEST <= rate <= FASTEST or width not in CODECS or not 1 <= channels <= MAX_CHANNELS:
        raise web.HTTPBadRequest(text=WRONG_FORMAT)
    return Listening(CODECS[width], rate, channels=channels)
