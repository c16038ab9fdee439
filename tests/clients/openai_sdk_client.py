"""OpenAI's own package, and its realtime connection."""

import asyncio
import base64
from typing import Any

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from tests.clients.recording import Account, Options, run

TURN_DETECTION: dict[str, dict[str, str] | None] = {
    "server-vad": {"type": "server_vad"},
    "semantic-vad": {"type": "semantic_vad"},
    "commit": None,
}
FAILURES = ("error", "conversation.item.input_audio_transcription.failed")


async def listen(options: Options, account: Account) -> None:
    """Transcribe the recording; after a commit of one's own, have what was heard spoken."""
    client = AsyncOpenAI(base_url=options.openai_url, api_key="unused")
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        await connection.session.update(session=_session(TURN_DETECTION[options.mode]))
        hearing = asyncio.create_task(_hear(connection, account))
        async for piece in account.play(options):
            await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
        if options.mode == "commit":
            await connection.input_audio_buffer.commit()
        await account.complete(options)
    await hearing
    if options.mode == "commit":
        await _speak(client, account.finals[0], account)
    await client.close()


def _session(turn_detection: dict[str, str] | None) -> Any:
    transcription = {"model": "gpt-4o-transcribe", "language": "en"}
    sound = {"transcription": transcription, "turn_detection": turn_detection}
    return {"type": "transcription", "audio": {"input": sound}}


async def _hear(connection: AsyncRealtimeConnection, account: Account) -> None:
    async for event in connection:
        if event.type == "conversation.item.input_audio_transcription.delta":
            account.interim(event.delta or "")
        elif event.type == "conversation.item.input_audio_transcription.completed":
            account.final(event.transcript)
        elif event.type in FAILURES:
            account.error(event)


async def _speak(client: AsyncOpenAI, text: str, account: Account) -> None:
    async with client.realtime.connect(model="gpt-realtime") as connection:
        await connection.session.update(
            session={
                "type": "realtime",
                "output_modalities": ["audio"],
                "audio": {"output": {"voice": "alloy"}},
            }
        )
        said: Any = {"type": "input_text", "text": text}
        await connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [said]}
        )
        await connection.response.create()
        async for event in connection:
            if event.type == "response.output_audio.delta":
                account.spoken_bytes += len(base64.b64decode(event.delta))
            elif event.type in FAILURES:
                account.error(event)
                return
            elif event.type == "response.done":
                if event.response.status != "completed":
                    account.error(event)
                return


if __name__ == "__main__":
    run(listen, *TURN_DETECTION)
