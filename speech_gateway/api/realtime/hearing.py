"""Hears what comes on one connection: finds utterances in it, and has each transcribed."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from ...exchange import Exchange
from ...media.audio_errors import ConversionFailedError
from ...media.live.live_audio import LiveConnection
from ...media.live.live_messages import Begin, By, Ended, Heard, unpack_ended
from ...server.upload_rate import LEAST_PACE, UploadRate
from ...tasks import cancel_and_wait, cancel_for
from ..audio_buffer import Allowance
from .commits import OURS, Commits
from .services import Services
from .session_config import SessionConfig
from .socket import RealtimeSocket
from .utterance import Utterance

MAX_UNFINISHED = 4
"""Utterances of one connection that wait for their transcripts; what follows is read later."""
MAX_HELD = 256 * 1024
"""Bytes of Ogg/Opus that wait: 30 s of speech, as long as one waits for a slot."""


class Hearing:
    """The audio of one connection.

    Args:
        connection: the connection's exchange.
        on_failure: is called when nothing can be heard any more.
    """

    def __init__(
        self,
        services: Services,
        socket: RealtimeSocket,
        connection: Exchange,
        request_id: str,
        on_failure: Callable[[], None],
    ) -> None:
        self._services = services
        self._socket = socket
        self._connection = connection
        self._request_id = request_id
        self._on_failure = on_failure
        self._config: SessionConfig | None = None
        self._live: LiveConnection | None = None
        self._listening: asyncio.Task[None] | None = None
        self._allowance = Allowance(MAX_HELD)
        self._utterance: Utterance | None = None
        """What is being said."""
        self._transcribing: dict[asyncio.Task[None], Utterance] = {}
        self._count = 0
        self._previous: Utterance | None = None
        """The utterance that was committed last."""
        self._commits = Commits()
        self._own_commit: asyncio.Task[None] | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._deaf = False
        self._rate: UploadRate | None = None
        self._feeding = False
        """Whether the client's audio waits for us, so that its silence is not its fault."""
        self._fed = connection.clock()

    async def configure(self, config: SessionConfig) -> None:
        """Hear what comes from now on as config says."""
        before, self._config = self._config, config
        if self._services.settings.min_upload_rate:
            self._rate = self._rate or UploadRate(0.0)
            self._rate.min_rate = LEAST_PACE * config.input.bytes_a_second
        if self._live is not None and (before is None or before.listening != config.listening):
            await self._live.configure(config.listening)

    async def append(self, audio: bytes) -> None:
        """Hear audio, as soon as there is room for it.

        Raises:
            ConversionFailedError: nothing can be heard.
        """
        if self._deaf or not audio:
            return
        waited = self._connection.clock() - self._fed
        live = self._live or await self._connect()
        self._feeding = True
        try:
            await live.feed(audio)
        finally:
            self._feeding, self._fed = False, self._connection.clock()
        rate = self._rate if self._utterance is not None and not self._commits.has_ours else None
        if rate is not None and not rate.is_enough(len(audio), waited):
            await self.commit(OURS)

    async def fail_all(self, why: str, refusal: web.HTTPException) -> None:
        """Give up all utterances, and tell the client of those that were committed."""
        self._deaf = True
        if self._listening is not None:
            await cancel_and_wait(self._listening)
        for task, utterance in list(self._transcribing.items()):
            await cancel_for(why, task)
            await utterance.tell_failure(refusal)

    async def commit(self, event_id: object) -> None:
        """Have what was said since the last utterance be one; raises as append."""
        await self._commits.add(event_id)
        if self._live is None:
            await self._tell_too_short()
        else:
            await self._live.commit()

    async def clear(self) -> None:
        """Forget what was said since the last utterance; raises as append."""
        if self._live is None:
            await self._socket.send("input_audio_buffer.cleared")
        else:
            await self._live.clear()

    async def finish(self) -> None:
        """Wait for the end of what is being said, hear no more, and wait for all transcripts."""
        while not self._quiet.is_set():
            await self._quiet.wait()
        self._deaf = True
        if self._transcribing:
            await asyncio.wait(self._transcribing)

    async def close(self) -> None:
        """Give up what is not finished, and hold nothing any more.

        Tasks that were cancelled refer to this, and this to them: the garbage collector, which
        comes seldom, would free what is held much later.
        """
        self._services.checker.remove(self._check)
        self._on_failure, self._config = _nothing, None
        if self._live is not None:
            self._live.close()
        others = [task for task in (self._listening, self._own_commit) if task is not None]
        await cancel_and_wait(*self._transcribing, *others)
        self._live = self._listening = self._own_commit = None
        self._utterance = self._previous = None
        self._transcribing.clear()

    async def _connect(self) -> LiveConnection:
        self._live = live = await self._services.live_audio.connect()
        self._listening = asyncio.create_task(self._listen(live))
        self._services.checker.add(self._check)
        assert self._config is not None
        await live.configure(self._config.listening)
        return live

    async def _listen(self, live: LiveConnection) -> None:
        """Take what is heard, until there is an end to it."""
        try:
            while True:
                await self._take(*await live.read())
        except ConversionFailedError:
            self._on_failure()
        except ConnectionError:
            pass  # the client is gone, which whoever reads from it is told

    async def _take(self, heard: Heard, payload: bytes) -> None:
        match heard:
            case Heard.OGG:
                assert self._utterance is not None
                await self._utterance.audio.put(payload)
            case Heard.BEGIN:
                await self._begin(Begin(**json.loads(payload)))
            case Heard.END:
                await self._end(unpack_ended(payload))
            case Heard.TOO_SHORT:
                await self._tell_too_short()
            case Heard.CLEARED:
                await self._give_up()
                await self._socket.send("input_audio_buffer.cleared")

    async def _begin(self, begin: Begin) -> None:
        self._quiet.clear()
        while len(self._transcribing) >= MAX_UNFINISHED:
            await asyncio.wait(self._transcribing, return_when=asyncio.FIRST_COMPLETED)
        config = self._config
        assert config is not None
        self._utterance = utterance = self._new_utterance()
        self._fed = self._connection.clock()
        if config.turns is not None:
            await self._socket.send(
                "input_audio_buffer.speech_started",
                item_id=utterance.item_id,
                audio_start_ms=begin.at_ms,
            )
        wish = self._services.resources.wish_for_language(*config.spoken_languages)
        self._transcribe(utterance, utterance.transcribe(self._connection, wish))

    async def _end(self, ended: Ended) -> None:
        asked_by = self._commits.answered() if ended.by is By.COMMIT else None
        utterance, self._utterance = self._utterance, None
        if utterance is None:  # what was committed is not worth a call
            if asked_by is OURS:
                return
            utterance = self._new_utterance()
            self._transcribe(utterance, utterance.tell_transcript(""))
        finds_turns = self._config is not None and self._config.turns is not None
        if finds_turns and ended.by is not By.COMMIT:
            await self._socket.send(
                "input_audio_buffer.speech_stopped",
                item_id=utterance.item_id,
                audio_end_ms=ended.at_ms,
            )
        previous, self._previous = self._previous, utterance
        utterance.commit(ended, previous)
        await self._socket.send(
            "input_audio_buffer.committed",
            item_id=utterance.item_id,
            previous_item_id=previous.item_id if previous is not None else None,
        )
        self._quiet.set()

    async def _give_up(self) -> None:
        """Give up what is being said."""
        utterance, self._utterance = self._utterance, None
        for task, transcribed in list(self._transcribing.items()):
            if transcribed is utterance:
                await cancel_for("the client had it forgotten", task)
                transcribed.audio.discard()
        self._quiet.set()

    def _new_utterance(self) -> Utterance:
        self._count += 1
        request_id = f"{self._request_id}.{self._count}"
        return Utterance(self._services, self._socket, self._allowance, request_id)

    def _transcribe(self, utterance: Utterance, work: Awaitable[None]) -> None:
        async def until_done() -> None:
            with contextlib.suppress(ConnectionError):  # the client is gone
                await work

        task = asyncio.create_task(until_done())
        self._transcribing[task] = utterance
        task.add_done_callback(lambda done: self._transcribing.pop(done, None))

    async def _tell_too_short(self) -> None:
        event_id = self._commits.answered()
        if event_id is not OURS:
            await self._socket.send_error(
                "there is less than 100 ms of audio to commit; append audio first",
                "input_audio_buffer_commit_empty",
                to=event_id,
            )

    def _check(self, now: float) -> None:
        """End an utterance of which nothing comes any more, so that its slot is free again."""
        timeout = self._services.settings.client_timeout
        if self._feeding or self._utterance is None or self._commits.has_ours:
            return
        if now - self._fed >= timeout:
            self._fed = now
            self._own_commit = asyncio.create_task(self.commit(OURS))


def _nothing() -> None:
    """Do nothing."""
