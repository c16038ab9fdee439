"""Reads the settings again, and has the gateway serve with them; wrong ones change nothing."""

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable
from functools import partial

from .. import logs
from ..config.settings import Settings, warnings
from ..startup_error import StartupError
from ..tasks import is_being_cancelled
from .gateway import Gateway
from .sd_notify import Supervisor

LOAD_TIMEOUT = 30.0
"""Seconds to read and judge all settings."""
START_TIMEOUT = 60.0
"""Seconds in which what is new has to start."""
FAILED = "the last reload failed and changed nothing, the log says why"

log = logging.getLogger(__name__)


class Reloader:
    """Reloads a gateway's settings whenever it is asked to.

    Args:
        load: reads and judges the settings; raises StartupError.
    """

    def __init__(
        self, gateway: Gateway, load: Callable[[], Settings], supervisor: Supervisor
    ) -> None:
        self._gateway = gateway
        self._load = load
        self._supervisor = supervisor

    async def run(self, asked: asyncio.Event) -> None:
        """Reload each time that asked is set, until this is cancelled."""
        while True:
            await asked.wait()
            asked.clear()  # who asks from here on may have changed something since
            self._supervisor.reloading(self._gateway.status)
            successfully = await self._reload()
            self._gateway.lasting.metrics.reloaded(successfully=successfully)
            self._supervisor.reloaded(self._gateway.status, successfully=successfully)

    async def _reload(self) -> bool:
        """Reload; return whether it succeeded."""
        gateway = self._gateway
        try:
            wanted = await self._loaded()
            for warning in warnings(wanted):
                log.warning("%s", warning)
            async with asyncio.timeout(START_TIMEOUT):  # a plugin may hang as it starts
                waiting = await gateway.reload(wanted)
        except StartupError as error:
            for problem in error.problems:
                log.error("not reloaded: %s", problem)
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            log.error("not reloaded: what was to start was cancelled from within")
        except (Exception, SystemExit):  # a plugin may raise either
            log.exception("not reloaded, for an unexpected reason")
        else:
            self._note_success(waiting)
            return True
        gateway.notice = FAILED
        return False

    async def _loaded(self) -> Settings:
        """Read and judge the settings; raises StartupError.

        In a thread, as files may be slow to read; nothing ends the reading of a pipe that nobody
        writes into, so the process's end does not wait for it.
        """
        loop = asyncio.get_running_loop()
        loaded: asyncio.Future[Settings] = loop.create_future()

        def load() -> None:
            try:
                settings = self._load()
            except Exception as error:  # noqa: BLE001 - raised again where it is waited for
                told = partial(_fail, loaded, error)
            else:
                told = partial(_succeed, loaded, settings)
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(told)

        threading.Thread(target=load, name="reload", daemon=True).start()
        try:
            async with asyncio.timeout(LOAD_TIMEOUT):
                return await loaded
        except TimeoutError:
            raise StartupError(
                f"the settings and the files that they name could not be read within "
                f"{LOAD_TIMEOUT:g} s; they should be regular files"
            ) from None

    def _note_success(self, waiting: list[str]) -> None:
        gateway = self._gateway
        logs.set_up(gateway.settings.log_format, gateway.settings.log_level, os.environ)
        log.info("reloaded the settings")
        gateway.notice = ""
        if waiting:
            gateway.notice = f"changed, and in need of a restart: {', '.join(waiting)}"
            log.warning("%s", gateway.notice)


def _succeed(loaded: asyncio.Future[Settings], settings: Settings) -> None:
    if not loaded.done():  # nobody waits any more
        loaded.set_result(settings)


def _fail(loaded: asyncio.Future[Settings], error: Exception) -> None:
    if not loaded.done():
        loaded.set_exception(error)
