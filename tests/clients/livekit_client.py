"""LiveKit Agents' speech-to-text stream, with OpenAI's plugin."""

import asyncio

from livekit import rtc
from livekit.agents import stt, utils
from livekit.plugins import openai

from tests.clients.recording import RATE, Account, Options, run

MODELS = {
    # the server finds where an utterance ends
    "server-vad": "gpt-4o-mini-transcribe",
    # the plugin does, with a voice activity detection of its own
    "own-vad": "gpt-realtime-whisper",
    "own-vad-languages": "gpt-live-transcribe",
}


async def listen(options: Options, account: Account) -> None:
    """Transcribe the recording."""
    async with utils.http_context.open():
        transcriber = openai.STT(
            model=MODELS[options.mode],
            use_realtime=True,
            base_url=options.openai_url,
            api_key="unused",
        )
        transcriber.on("error", lambda event: account.error(repr(event.error)))
        async with transcriber.stream() as stream:
            hearing = asyncio.create_task(_hear(stream, account))
            async for piece in account.play(options):
                stream.push_frame(rtc.AudioFrame(piece, RATE, 1, len(piece) // 2))
            await account.complete(options)
        await asyncio.wait([hearing])
        await transcriber.aclose()


async def _hear(stream: stt.RecognizeStream, account: Account) -> None:
    async for event in stream:
        if event.type is stt.SpeechEventType.INTERIM_TRANSCRIPT:
            account.interim(event.alternatives[0].text)
        elif event.type is stt.SpeechEventType.FINAL_TRANSCRIPT:
            account.final(event.alternatives[0].text)


if __name__ == "__main__":
    run(listen, *MODELS)
