"""Starts the bundled engine as a process, watches it, and restarts it."""

import asyncio
import importlib.util
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

from .. import child_process
from ..config.addresses import MAX_SOCKET_PATH, UpstreamAddress
from ..startup_error import StartupError
from ..tasks import cancel_and_wait

START_TIMEOUT = 60.0
LARGE_MODEL_TIMEOUT = 600.0
"""Seconds for a model from disk, which may have gigabytes."""
READY = b"ready\n"

_PARTS = {
    "av": "av",
    "espeakng_loader": "espeakng-loader",
    "emoji": "emoji",
    "faster_whisper": "faster-whisper",
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
}
"""The voice and the weights are not among them: the engine does without, and says so."""

log = logging.getLogger(__name__)


def missing_parts() -> list[str]:
    """Return the packages that the bundled engine needs and that are not installed."""
    return [name for module, name in _PARTS.items() if importlib.util.find_spec(module) is None]


class Engine:
    """Keeps one engine process running, on a unix socket that no other user can connect to.

    Once the engine serves, its socket is held open and the file removed. So nothing is left behind
    however the gateway ends, and no cleaning of temporary files breaks the connection.
    """

    def __init__(self, model: Path | None = None) -> None:
        """Make an engine that hears with the model in a folder; None is the packaged one."""
        self._model = model
        self._socket: int | None = None
        """A file descriptor of the socket of the engine that was started last (open(2), O_PATH)."""
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def address(self) -> UpstreamAddress:
        """The engine's address; valid once it has started."""
        return UpstreamAddress(unix_path=f"/proc/self/fd/{self._socket}")

    async def start(self) -> None:
        """Start the engine and wait until it serves.

        Raises:
            StartupError: it did not come up.
        """
        process = await self._spawn()
        self._keeper = asyncio.create_task(
            child_process.keep_running("the bundled engine", process, self._spawn)
        )

    async def stop(self) -> None:
        """Stop the engine, also while it is starting."""
        if self._keeper is not None:
            await cancel_and_wait(self._keeper)
        if self._process is not None:
            await child_process.end(self._process)
        if self._socket is not None:
            os.close(self._socket)

    async def _spawn(self) -> asyncio.subprocess.Process:
        try:
            folder = Path(tempfile.mkdtemp(prefix="speech-gateway-"))
        except OSError as error:
            raise StartupError(
                "the bundled engine needs a folder for temporary files that can be written to "
                f"(TMPDIR): {error.strerror}"
            ) from error
        try:
            path = folder / "socket"
            if len(os.fsencode(path)) > MAX_SOCKET_PATH:
                raise StartupError(
                    "the bundled engine needs a folder for temporary files whose path is shorter "
                    f"(TMPDIR): with its own socket's name, at most {MAX_SOCKET_PATH} bytes"
                )
            process = await self._serving(path)
            self._hold(path)
        except OSError as error:
            raise StartupError(f"the bundled engine cannot be started: {error.strerror}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        log.info("the bundled engine serves, as process %d", process.pid)
        return process

    async def _serving(self, path: Path) -> asyncio.subprocess.Process:
        """Return an engine that serves on path; raises OSError, StartupError."""
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "speech_gateway.embedded", "--listen", f"unix:{path}"),
            # The engine ends when this pipe does, and removes the folder: however the gateway ends.
            *("--child", str(path.parent)),
            *(("--stt-model", str(self._model)) if self._model is not None else ()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # A terminal's Ctrl-C is for the gateway, which drains first.
            start_new_session=True,
        )
        assert process.stdout is not None
        line = b""
        try:
            async with asyncio.timeout(LARGE_MODEL_TIMEOUT if self._model else START_TIMEOUT):
                line = await process.stdout.readline()
        except (TimeoutError, ValueError):  # ValueError: an endless line
            pass
        finally:
            if line != READY:  # there is nothing that it could finish
                await child_process.kill(process)
        if line != READY:
            raise StartupError("the bundled engine did not start; its own words are above")
        return process

    def _hold(self, path: Path) -> None:
        """Make the address refer to the socket at path, whose file is then no longer needed."""
        held = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if self._socket is None:
            self._socket = held
        else:
            os.dup2(held, self._socket, inheritable=False)
            os.close(held)
