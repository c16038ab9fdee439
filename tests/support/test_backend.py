"""The scripted backend leaves nothing behind."""

import asyncio
import socket

from .backend import scripted_backend


async def test_who_is_accepted_at_the_very_end_is_closed_as_well() -> None:
    async with scripted_backend() as backend:
        client = socket.create_connection(("127.0.0.1", int(backend.url.rpartition(":")[2])))
        before = asyncio.all_tasks()
        async with asyncio.timeout(10):
            while asyncio.all_tasks() == before:
                await asyncio.sleep(0)  # a turn: then its task is made, and has not begun

    with client:
        client.setblocking(False)
        async with asyncio.timeout(10):
            assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
