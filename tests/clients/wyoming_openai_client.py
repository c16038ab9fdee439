"""wyoming-openai, which speaks OpenAI's API for Home Assistant, and Home Assistant before it."""

import asyncio
import sys
import tempfile
from pathlib import Path

from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.error import Error
from wyoming.tts import Synthesize, SynthesizeVoice

from tests.clients.recording import RATE, Account, Options, run

MODEL = "gpt-live-transcribe"
VOICE = "alloy"
START_TIMEOUT = 30.0


async def listen(options: Options, account: Account) -> None:
    """Transcribe the recording, and have what was heard spoken."""
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "wyoming.sock"
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "wyoming_openai", "--uri", f"unix://{socket}"),
            *("--stt-openai-url", options.openai_url, "--stt-realtime-models", MODEL),
            *("--stt-openai-key", "unused", "--stt-backend", "OPENAI"),
            *("--tts-openai-url", options.openai_url, "--tts-realtime-models", "gpt-realtime"),
            *("--tts-openai-key", "unused", "--tts-backend", "OPENAI", "--tts-voices", VOICE),
            stdout=sys.stderr,
        )
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while not socket.exists():
                    await asyncio.sleep(0.1)
            await _ask(f"unix://{socket}", options, account)
            await _speak(f"unix://{socket}", " ".join(account.finals), account)
        finally:
            server.terminate()
            await server.wait()


async def _ask(uri: str, options: Options, account: Account) -> None:
    """Be Home Assistant, which listens for one utterance."""
    async with AsyncClient.from_uri(uri) as client:
        await client.write_event(Transcribe(name=MODEL, language="en").event())
        await client.write_event(AudioStart(RATE, 2, 1).event())
        hearing = asyncio.create_task(_hear(client, account))
        async for piece in account.play(options):
            await client.write_event(AudioChunk(RATE, 2, 1, piece).event())
        await client.write_event(AudioStop().event())
        await account.complete(options)
        await asyncio.wait([hearing], timeout=START_TIMEOUT)


async def _hear(client: AsyncClient, account: Account) -> None:
    while event := await client.read_event():
        if TranscriptChunk.is_type(event.type):
            account.interim(TranscriptChunk.from_event(event).text)
        elif Transcript.is_type(event.type):
            account.final(Transcript.from_event(event).text)
        elif Error.is_type(event.type):
            account.error(Error.from_event(event).text)
        elif TranscriptStop.is_type(event.type):
            return


async def _speak(uri: str, text: str, account: Account) -> None:
    async with AsyncClient.from_uri(uri) as client:
        await client.write_event(Synthesize(text=text, voice=SynthesizeVoice(name=VOICE)).event())
        while event := await client.read_event():
            if AudioChunk.is_type(event.type):
                account.spoken_bytes += len(AudioChunk.from_event(event).audio)
            elif Error.is_type(event.type):
                account.error(Error.from_event(event).text)
            elif AudioStop.is_type(event.type):
                return


if __name__ == "__main__":
    run(listen, "commit")
