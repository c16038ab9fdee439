"""Child processes that are to run as long as the gateway does."""

import asyncio
import contextlib
import logging
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable

from .startup_error import StartupError

STOP_TIMEOUT = 5.0
SHORT_LIFE = 10.0
"""Seconds; after a shorter life, the pause before the restart grows."""
FIRST_PAUSE = 0.1
MAX_PAUSE = 5.0

log = logging.getLogger(__name__)


async def keep_running(
    name: str, process: Process, start: Callable[[], Awaitable[Process]]
) -> None:
    """Start a process again whenever it ends, until cancelled.

    Args:
        start: may raise StartupError or OSError, and is tried again then.
    """
    loop = asyncio.get_running_loop()
    pause = FIRST_PAUSE
    while True:
        born = loop.time()
        code = await process.wait()
        log.error("%s ended (%d); starting it again", name, code)
        pause = FIRST_PAUSE if loop.time() - born > SHORT_LIFE else min(2 * pause, MAX_PAUSE)
        while True:
            await asyncio.sleep(pause)
            try:
                process = await start()
                break
            except (StartupError, OSError) as error:
                log.error("%s", error)
                pause = min(2 * pause, MAX_PAUSE)


async def end(process: Process, timeout: float = STOP_TIMEOUT) -> None:
    """Ask a process to end, and kill it when it has not within timeout seconds."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(timeout):
            await process.wait()
    except TimeoutError:
        await kill(process)


async def kill(process: Process) -> None:
    """Kill a process, and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
