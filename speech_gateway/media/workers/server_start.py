"""Starts a process for media: with nothing of the gateway's but a channel to it."""

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
from ...startup_error import StartupError
from ..onnx_runtime import NO_TELEMETRY
from . import messages

START_TIMEOUT = 30.0
FOR_LIBRARIES = {
    "OPENBLAS_NUM_THREADS": "1",  # a fork has one thread, and a worker may start no other
    **NO_TELEMETRY,
}
"""What libraries that a job may load want to be told."""

log = logging.getLogger(__name__)


async def start_server(
    module: str, arguments: Mapping[str, object]
) -> tuple[Process, socket.socket]:
    """Return a process of a module that is ready, and the channel to it, which does not block.

    Raises:
        StartupError: it did not come up.
    """
    try:
        process, control = await _execute(module, arguments)
    except OSError as error:
        raise StartupError(f"a process for media cannot be started: {error.strerror}") from error
    try:
        ready = await _first_message(control)
    except BaseException:
        control.close()
        await child_process.kill(process)
        raise
    for lack in ready["lacks"]:
        log.warning("a process for media %s", lack)
    return process, control


async def _execute(module: str, arguments: Mapping[str, object]) -> tuple[Process, socket.socket]:
    ours, theirs = messages.pair()
    ours.setblocking(False)
    told = json.dumps({**arguments, "control": theirs.fileno()})
    with theirs:
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", module, told),
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
        raise StartupError("a process for media did not start; its words are above")
    return message


def _environment() -> dict[str, str]:
    """Return what the process must know: where modules are, and where files may be written."""
    known = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **FOR_LIBRARIES}
    with contextlib.suppress(OSError):  # a worker tells it when it wants a file
        known["TMPDIR"] = tempfile.gettempdir()
    return known
