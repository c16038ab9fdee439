"""What Home Assistant's openai_stt component sends and waits for, message by message.

The component itself needs all of Home Assistant.
"""

import asyncio
import base64
from typing import Any

import aiohttp

from tests.clients.recording import Account, Options, run

LEGACY_SESSION = {
    "input_audio_format": "pcm16",
    "input_audio_transcription": {
        "model": "gpt-4o-mini-transcribe",
        "prompt": "",
        "language": "en",
    },
    "turn_detection": {"type": "server_vad"},
    "input_audio_noise_reduction": None,
}


async def listen(options: Options, account: Account) -> None:
    """Transcribe the recording."""
    headers = {"Authorization": "Bearer unused", "OpenAI-Beta": "realtime=v1"}
    url = f"{options.openai_url}/realtime?intent=transcription"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, headers=headers, heartbeat=30) as socket,
    ):
        await _send(socket, "transcription_session.update", session=LEGACY_SESSION)
        hearing = asyncio.create_task(_hear(socket, account))
        async for piece in account.play(options):
            await _send(socket, "input_audio_buffer.append", audio=base64.b64encode(piece).decode())
        await _send(socket, "input_audio_buffer.commit")
        await account.complete(options)
        hearing.cancel()


async def _send(socket: aiohttp.ClientWebSocketResponse, kind: str, **fields: Any) -> None:
    await socket.send_json({"type": kind, **fields})


async def _hear(socket: aiohttp.ClientWebSocketResponse, account: Account) -> None:
    """Wait for the first utterance; errors are not looked at, as a commit after it is one."""
    async for message in socket:
        event = message.json()
        if event["type"] == "conversation.item.input_audio_transcription.delta":
            account.interim(event["delta"])
        elif event["type"] == "conversation.item.input_audio_transcription.completed":
            account.final(event["transcript"])
            return
    account.error("the socket was closed")


if __name__ == "__main__":
    run(listen, "server-vad")
