"""Who sets Home Assistant up and uses it: what its pages send when one clicks."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.support.polling import until

START_TIMEOUT = 60.0
CREDENTIALS = {"username": "somebody", "password": "something"}
LANGUAGE = "en"
HEARING, SPEAKING = "stt.speech_gateway", "tts.speech_gateway"
"""The gateway's entities."""
RECORDING = f"format=wav; codec=pcm; sample_rate=16000; bit_rate=16; channel=1; language={LANGUAGE}"


class HomeAssistantUser:
    """Somebody who has signed in."""

    def __init__(
        self, session: aiohttp.ClientSession, token: str, socket: aiohttp.ClientWebSocketResponse
    ) -> None:
        self._session = session
        self._headers = {"Authorization": f"Bearer {token}"}
        self._socket = socket
        self._numbers = itertools.count(1)

    async def add_wyoming(self, port: int) -> str:
        """Add the integration "Wyoming Protocol" for a port; return what it is named."""
        flows = "/api/config/config_entries/flow"
        form = await self._post(flows, handler="wyoming")
        added = await self._post(f"{flows}/{form['flow_id']}", host="127.0.0.1", port=port)
        assert added["type"] == "create_entry", added
        title: str = added["title"]
        return title

    async def is_started(self) -> bool:
        """Return whether all of it is there."""
        state: str = (await self._call("get_config"))["state"]
        return state == "RUNNING"

    async def voices(self) -> list[str]:
        """Return the voices that one may choose from."""
        told = await self._call("tts/engine/voices", engine_id=SPEAKING, language=LANGUAGE)
        return [voice["voice_id"] for voice in told["voices"]]

    async def add_assistant(self, voice: str) -> None:
        """Add a voice assistant that hears and speaks with the gateway, as the preferred one."""
        agents = (await self._call("conversation/agent/list"))["agents"]
        assistant = await self._call(
            "assist_pipeline/pipeline/create",
            name="Gateway",
            language=LANGUAGE,
            conversation_engine=agents[0]["id"],
            conversation_language=LANGUAGE,
            stt_engine=HEARING,
            stt_language=LANGUAGE,
            tts_engine=SPEAKING,
            tts_language=LANGUAGE,
            tts_voice=voice,
            wake_word_entity=None,
            wake_word_id=None,
        )
        await self._call("assist_pipeline/pipeline/set_preferred", pipeline_id=assistant["id"])

    async def speak(self, text: str) -> bytes:
        """Have a text spoken; return the WAV that a media player is given."""
        options = {"preferred_format": "wav"}
        told = await self._post(
            "/api/tts_get_url", engine_id=SPEAKING, message=text, language=LANGUAGE, options=options
        )
        async with self._session.get(told["path"]) as response:
            return await response.read()

    async def transcribe(self, wav: bytes) -> str:
        """Return what is said in a recording of 16 kHz."""
        headers = {**self._headers, "X-Speech-Content": RECORDING}
        async with self._session.post(f"/api/stt/{HEARING}", data=wav, headers=headers) as response:
            told = await response.json()
        assert told["result"] == "success", told
        text: str = told["text"]
        return text

    async def _post(self, path: str, **fields: Any) -> dict[str, Any]:
        return await _asked(self._session, path, self._headers, json=fields)

    async def _call(self, kind: str, **fields: Any) -> dict[str, Any]:
        await self._socket.send_json({"id": next(self._numbers), "type": kind, **fields})
        told = await self._socket.receive_json()
        assert told["success"], told
        result: dict[str, Any] = told["result"]
        return result


@asynccontextmanager
async def first_user(port: int) -> AsyncIterator[HomeAssistantUser]:
    """Create Home Assistant's first user, and sign in."""
    url = f"http://127.0.0.1:{port}"
    app = {"client_id": f"{url}/"}
    async with aiohttp.ClientSession(url) as session:
        person = {**app, **CREDENTIALS, "name": "Somebody", "language": LANGUAGE}
        created = await _asked(session, "/api/onboarding/users", json=person)
        grant = {**app, "grant_type": "authorization_code", "code": created["auth_code"]}
        token = (await _asked(session, "/auth/token", data=grant))["access_token"]
        async with session.ws_connect("/api/websocket") as socket:
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": token})
            await socket.receive_json()
            user = HomeAssistantUser(session, token, socket)
            await until(user.is_started, START_TIMEOUT)
            yield user


async def _asked(
    session: aiohttp.ClientSession,
    path: str,
    headers: dict[str, str] | None = None,
    **body: Any,
) -> dict[str, Any]:
    async with session.post(path, headers=headers, **body) as response:
        assert response.ok, f"{path}: {response.status} {await response.text()}"
        told: dict[str, Any] = await response.json()
        return told
