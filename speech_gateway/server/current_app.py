"""The application that serves: it can be replaced while requests are under way."""

import asyncio
import logging

from aiohttp import hdrs, web

from .aiohttp_internals import SERVER, Handle, request_handler

log = logging.getLogger(__name__)


class Users:
    """Counts who uses an application: it is cleaned up only when nobody does any more."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = asyncio.Event()

    def enter(self) -> None:
        """Count a user, who is to leave."""
        self._count += 1

    def leave(self) -> None:
        """Count a user no more."""
        self._count -= 1
        if not self._count:
            self._changed.set()

    def forget(self) -> None:
        """Wait for nobody."""
        self._count = 0
        self._changed.set()

    async def gone(self) -> None:
        """Wait until there is no user."""
        while self._count > 0:
            self._changed.clear()
            await self._changed.wait()


USERS = web.AppKey("users", Users)


class _StartedApp:
    """An application that was started, and who uses it."""

    def __init__(self, app: web.Application) -> None:
        app.on_response_prepare.append(_set_server_header)
        app[USERS] = self.users = Users()
        self.app = app
        self.handle: Handle
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Start the application."""
        await self._runner.setup()
        self.handle = request_handler(self._runner)

    async def stop(self) -> None:
        """Clean the application up, also after a start that failed."""
        await self._runner.cleanup()


class CurrentApp:
    """Hands each request to the application that is current as it comes.

    One that was replaced is cleaned up when its last user has left.
    """

    def __init__(self, app: web.Application) -> None:
        self._current = _StartedApp(app)
        self._replaced: dict[asyncio.Task[None], _StartedApp] = {}
        """Those that are not cleaned up yet, by the task that sees to it."""

    @property
    def app(self) -> web.Application:
        """The application that is current."""
        return self._current.app

    async def start(self) -> None:
        """Start the first application; raises what that raises."""
        await self._current.start()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        started = self._current
        started.users.enter()
        try:
            return await started.handle(request)
        finally:
            started.users.leave()

    async def replace(self, app: web.Application) -> None:
        """Start app, and have it answer all further requests; raises what the start raises."""
        started = _StartedApp(app)
        try:
            await started.start()
        except BaseException:
            await started.stop()
            raise
        replaced, self._current = self._current, started
        task = asyncio.create_task(self._clean_up(replaced))
        self._replaced[task] = replaced
        task.add_done_callback(self._replaced.pop)

    async def stop(self) -> None:
        """Clean all applications up, whatever they are busy with."""
        for replaced in self._replaced.values():
            replaced.users.forget()
        await asyncio.gather(*self._replaced)
        await self._current.stop()

    async def _clean_up(self, replaced: _StartedApp) -> None:
        """Clean up what was replaced, once nobody uses it."""
        await replaced.users.gone()
        try:
            await replaced.stop()
        except Exception:
            log.exception("what the former settings needed could not be cleaned up")


async def _set_server_header(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers[hdrs.SERVER] = SERVER  # not the versions of what is inside
