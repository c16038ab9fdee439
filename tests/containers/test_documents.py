"""What the documents say about images is done here, word for word but for the ports."""

import asyncio
import shlex

import pytest

from tests.support.client import Response, connect
from tests.support.documents import IMAGE, README, Document
from tests.support.podman import Podman
from tests.support.polling import until
from tests.support.process import free_port, until_it_listens

pytestmark = pytest.mark.timeout(600)


def on_ports(command: str, http: int, wyoming: int) -> str:
    """Return the command for the host's network, where no port is published."""
    for ours, its, name in (
        (http, 8080, "GATEWAY_LISTEN"),
        (wyoming, 10300, "GATEWAY_WYOMING_LISTEN"),
    ):
        published = f"-p 127.0.0.1:{its}:{its}"
        assert published in command
        command = command.replace(published, f"-e {name}=127.0.0.1:{ours}")
    return command


async def spoken(port: int) -> Response:
    async with await connect(port) as client:
        return await client.speak()


@pytest.mark.parametrize("document", [README, IMAGE], ids=str)
async def test_it_speaks_as_it_says(podman: Podman, full: str, document: Document) -> None:
    command = document.command("podman run").rpartition("&& ")[2]
    port = free_port()
    words = shlex.split(on_ports(command, port, free_port()))

    process = await asyncio.create_subprocess_exec(*words, env=podman.environ)
    try:
        await until_it_listens(port)
        response = await until(lambda: spoken(port), 60, holds=lambda told: told.status == 200)
        assert response.body.startswith(b"OggS")
    finally:
        process.terminate()
        assert await process.wait() == 0
