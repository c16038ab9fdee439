"""A plugin that lets the soak see how many tasks the gateway has."""

import asyncio

from aiohttp import web


class ShowTasks:
    """Adds ``/tasks``."""

    async def setup(self, app: web.Application) -> None:
        app.router.add_get("/tasks", self.tasks)

    async def tasks(self, _request: web.Request) -> web.Response:
        return web.Response(text=str(len(asyncio.all_tasks())))
