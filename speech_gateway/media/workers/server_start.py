"""Starts a fork server: a process with nothing of the gateway's but a channel to it."""

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from typing import Any

from ... import child_process
from ...errors import StartupError
from ..onnx_runtime import NO_TELEMETRY
from . import messages

START_TIMEOUT = 30.0
FOR_LIBRARIES = {
    "OPENBLAS_NUM_THREADS": "1",  # a fork has one thread, and a worker may start no other
    **NO_TELEMETRY,
}
"""What libraries that a job may load want to be told."""

log = logging.getLogger(__name__)


async def start_server(arguments: Mapping[str, object]) -> tuple[Process, socket.socket]:
    """Return a fork server that is ready, and the channel to it, which does not block.

    Raises:
        StartupError: it did not come up.
    """
    try:
        process, control = await _execute(arguments)
    except OSError as error:
        raise StartupError(
            f"the media workers' server cannot be started: {error.strerror}"
        ) from error
    try:
        ready = await _first_message(control)
    except BaseException:
        control.close()
        await child_process.kill(process)
        raise
    for lack in ready["lacks"]:
        log.warning("media workers %s", lack)
    return process, control


async def _execute(arguments: Mapping[str, object]) -> tuple[Process, socket.socket]:
    ours, theirs = messages.pair()
    ours.setblocking(False)
    told = json.dumps({**arguments, "control": theirs.fileno()})
    with theirs:
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", f"{__package__}.fork_server", told),
                stdin=DEVNULL,
                stdout=DEVNULL,
                pass_fds=[theirs.fileno()],
                env=_environment(),  # no secret of the gateway's
                start_new_session=True,  # a terminal's Ctrl-C is for the gateway alone
            )
        except BaseException:
            ours.close()
            raise
    return process, ours


async def _first_message(control: socket.socket) -> dict[str, Any]:
    message = None
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(control, readable.set)
    try:
        async with asyncio.timeout(START_TIMEOUT):
            await readable.wait()
        message, _ = messages.receive(control)
    except OSError:  # it has ended, or says nothing
        pass
    finally:
        loop.remove_reader(control)
    if message is None:
        raise StartupError("the media workers did not start; their server's words are above")
    return message


def _environment() -> dict[str, str]:
    """Return what the fork server must know: where modules are, and where files may be written."""
    known = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **FOR_LIBRARIES}
    with contextlib.suppress(OSError):  # a worker tells it when it wants a file
        known["TMPDIR"] = tempfile.gettempdir()
    return known
