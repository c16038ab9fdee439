"""OpenAI Agents' voice pipeline, which also has its answers spoken."""

from collections.abc import AsyncIterator

import numpy as np
from agents.voice import (
    OpenAIVoiceModelProvider,
    StreamedAudioInput,
    StreamedAudioResult,
    VoicePipeline,
    VoicePipelineConfig,
    VoiceWorkflowBase,
)

from tests.clients.recording import Account, Options, run


class _Workflow(VoiceWorkflowBase):
    """Answers each turn with one sentence."""

    def __init__(self, account: Account) -> None:
        self.account = account

    async def run(self, transcription: str) -> AsyncIterator[str]:
        self.account.final(transcription)
        yield "I have heard it."


async def listen(options: Options, account: Account) -> None:
    """Transcribe the recording, and have each turn answered."""
    provider = OpenAIVoiceModelProvider(base_url=options.openai_url, api_key="unused")
    pipeline = VoicePipeline(
        workflow=_Workflow(account),
        config=VoicePipelineConfig(model_provider=provider, tracing_disabled=True),
    )
    audio = StreamedAudioInput()
    answers = await pipeline.run(audio)
    async for piece in account.play(options):
        await audio.add_audio(np.frombuffer(piece, dtype=np.int16))
    await audio.add_audio(None)
    await _hear(answers, account)


async def _hear(answers: StreamedAudioResult, account: Account) -> None:
    """Take the answers; they end once every turn has been transcribed and answered."""
    async for event in answers.stream():
        if event.type == "voice_stream_event_audio" and event.data is not None:
            account.spoken_bytes += event.data.nbytes
        elif event.type == "voice_stream_event_error":
            account.error(repr(event.error))


if __name__ == "__main__":
    run(listen, "semantic-vad")
