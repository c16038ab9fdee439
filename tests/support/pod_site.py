"""Two pods behind HAProxy, each with its own backend, under short requests and long streams."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .backend import LAST_CHUNK, OK_CHUNKED, BackendCall, answer, chunk, scripted_backend
from .client import RawClient, Response
from .haproxy import Haproxy, haproxy
from .kube_play import PlayedPod, played_pod
from .podman import Podman
from .polling import until
from .steady_load import SteadyLoad

PODS = ("one", "two")
STREAM = b"Go on for some seconds."
PIECES, PACE = 80, 0.05
"""A stream of four seconds, at the pace of speech."""
WHOLE = b"".join(b"%d " % number for number in range(PIECES))
LISTENERS = 8
WAIT_TIMEOUT = 60.0


@dataclass
class Speaker:
    """What a pod's backend says: a stream when one is asked for, else the pod's name."""

    name: str
    streaming: int = 0
    """How many streams are under way."""

    async def __call__(self, call: BackendCall) -> None:
        if await call.whole_media() != STREAM:
            return await call.write(answer(self.name.encode()))
        self.streaming += 1
        try:
            return await self._stream(call)
        finally:
            self.streaming -= 1

    async def _stream(self, call: BackendCall) -> None:
        await call.write(OK_CHUNKED)
        for number in range(PIECES):
            await call.write(chunk(b"%d " % number))
            await asyncio.sleep(PACE)
        await call.write(LAST_CHUNK)


@dataclass
class PodSite(SteadyLoad):
    """All of it."""

    proxy: Haproxy
    pods: dict[str, PlayedPod]
    speakers: list[Speaker]
    heard: list[Response] = field(default_factory=list)
    """The streams, as their listeners had them."""

    @property
    def answering(self) -> set[str]:
        return set(self.pods)

    async def connect(self) -> RawClient:
        return await self.proxy.connect()

    @asynccontextmanager
    async def long_streams(self) -> AsyncIterator[None]:
        """Have clients listen to one stream after another until the block ends."""
        stop = asyncio.Event()
        listeners = [asyncio.create_task(self._listen_until(stop)) for _ in range(LISTENERS)]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*listeners)

    async def until_all_stream(self) -> None:
        """Wait until each pod has streams under way."""
        await until(
            lambda: [speaker.streaming for speaker in self.speakers],
            WAIT_TIMEOUT,
            holds=lambda counts: min(counts) >= 2,
        )

    async def until_all_answer(self) -> None:
        """Wait until each pod gets requests, from now on."""
        moment = time.monotonic()
        await until(
            lambda: {asked.by for asked in self.since(moment)},
            WAIT_TIMEOUT,
            holds=self.answering.issubset,
        )

    async def _listen_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            async with await self.connect() as client:
                client.request("POST", "/tts", body=STREAM)
                self.heard.append(await client.response())


@asynccontextmanager
async def pod_site(podman: Podman, folder: Path) -> AsyncIterator[PodSite]:
    async with AsyncExitStack() as stack:
        pods, speakers = {}, [Speaker(name) for name in PODS]
        for speaker in speakers:
            backend = await stack.enter_async_context(scripted_backend())
            backend.script = speaker
            played = played_pod(podman, folder / speaker.name, speaker.name, backend.url)
            pods[speaker.name] = await stack.enter_async_context(played)
        gateways = {name: f"127.0.0.1:{pod.port}" for name, pod in pods.items()}
        proxy = await stack.enter_async_context(haproxy(gateways))
        for name in PODS:
            await proxy.until(name, "UP")
        yield PodSite(proxy, pods, speakers)
