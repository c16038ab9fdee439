"""Live audio, as the gateway sees it: a process that is started when somebody first connects."""

import asyncio
import logging
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator

from aiohttp import web

from ... import child_process
from ...startup_error import StartupError
from ...tasks import cancel_and_wait
from ..audio_errors import BROKEN, ConversionFailedError
from ..workers import messages as control_messages
from ..workers.server_start import start_server
from .live_messages import HEAD, MAX_AUDIO, Heard, Listening, Told, pack, pack_object

PROCESS = "speech_gateway.media.live.live_process"
"""Named, not imported: it imports the codecs and the VAD."""
READ_BYTES = 64 * 1024
"""Bytes from the process that are read ahead, for one connection."""

log = logging.getLogger(__name__)


class LiveConnection:
    """One connection's audio: fed as it comes, and read as utterances."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def configure(self, listening: Listening) -> None:
        """Say what comes from now on, and how it is listened to; raises as feed."""
        await self._send(pack_object(Told.CONFIGURE, listening))

    async def feed(self, audio: bytes) -> None:
        """Give audio to the process, as soon as it has taken most of what came before.

        Raises:
            ConversionFailedError: the process has ended.
        """
        for at in range(0, len(audio), MAX_AUDIO):
            await self._send(pack(Told.AUDIO, audio[at : at + MAX_AUDIO]))

    async def commit(self) -> None:
        """Have what came since the last utterance be one; raises as feed."""
        await self._send(pack(Told.COMMIT))

    async def clear(self) -> None:
        """Have what came since the last utterance forgotten; raises as feed."""
        await self._send(pack(Told.CLEAR))

    async def read(self) -> tuple[Heard, bytes]:
        """Return what is heard next, and its payload; raises as feed."""
        try:
            kind, size = HEAD.unpack(await self._reader.readexactly(HEAD.size))
            return Heard(kind), await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise ConversionFailedError(BROKEN) from None

    def close(self) -> None:
        """End it; harmless when it has ended."""
        self._writer.transport.abort()

    async def _send(self, message: bytes) -> None:
        if self._writer.is_closing():
            raise ConversionFailedError(BROKEN)
        try:
            self._writer.write(message)
            await self._writer.drain()
        except ConnectionError:
            raise ConversionFailedError(BROKEN) from None


class LiveAudio:
    """Starts the process, keeps it running, and gives it connections.

    It takes some 60 MB and half a second, so it is started for the first connection.
    """

    def __init__(self, max_connections: int) -> None:
        self._max_connections = max_connections
        self._starting = asyncio.Lock()
        self._control: socket.socket | None = None
        self._process: Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """End the process at an application's end (aiohttp's ``cleanup_ctx``)."""
        yield
        if self._keeper is not None:
            await cancel_and_wait(self._keeper)
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            await child_process.kill(self._process)

    async def connect(self) -> LiveConnection:
        """Return a connection to the process.

        Raises:
            ConversionFailedError: the process cannot be had.
        """
        control = await self._ready()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                control_messages.send(control, theirs.fileno(), connect=True)
            except OSError as error:  # it has just died, and is started again
                ours.close()
                log.error("live audio cannot be had: %s", error)
                raise ConversionFailedError(BROKEN) from error
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=READ_BYTES)
        return LiveConnection(reader, writer)

    async def _ready(self) -> socket.socket:
        """Return the channel to the process, which is started if it does not run."""
        async with self._starting:
            if self._keeper is None:
                try:
                    process = await self._spawn()
                except StartupError as error:
                    log.error("%s", error)
                    raise ConversionFailedError(BROKEN) from error
                self._keeper = asyncio.create_task(
                    child_process.keep_running("the live audio process", process, self._spawn)
                )
            assert self._control is not None
            return self._control

    async def _spawn(self) -> Process:
        if self._control is not None:
            self._control.close()
        arguments = {"connections": self._max_connections}
        self._process, self._control = await start_server(PROCESS, arguments)
        return self._process
