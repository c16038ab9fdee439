"""Three gateways on three machines, each with its own backend, behind HAProxy on a fourth."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from .backend import (
    LAST_CHUNK,
    OK_CHUNKED,
    BackendCall,
    ScriptedBackend,
    answer,
    chunk,
    scripted_backend,
)
from .client import RawClient, Response, connect
from .haproxy import SERVERS, WAIT_TIMEOUT, Haproxy, haproxy_on
from .network import Lan, Machine, lan
from .polling import until
from .program import Program, program
from .steady_load import SteadyLoad

FRONT = "192.0.2.1"
CLIENT = "192.0.2.2"
GATEWAYS = dict(zip(SERVERS, ("192.0.2.11", "192.0.2.12", "192.0.2.13"), strict=True))
"""The addresses in haproxy.cfg."""
PORT = 8080
STREAM = b"Go on until you are told to end."
END = b"end"
PACE = 0.05


@dataclass
class Node:
    """A machine with a gateway and the backend that it calls."""

    name: str
    address: str
    machine: Machine
    backend: ScriptedBackend
    streams: int = 0
    """How many streams have begun here."""
    release: asyncio.Event = field(default_factory=asyncio.Event)
    """Lets the streams here go on to their end."""
    gateway: Program | None = None

    async def speak(self, call: BackendCall) -> None:
        """Answer a text: with a stream when it asks for one, else with the gateway's name."""
        if await call.whole_media() != STREAM:
            return await call.write(answer(self.name.encode()))
        self.streams += 1
        await call.write(OK_CHUNKED)
        number = 0
        while not self.release.is_set():
            await call.write(chunk(b"%d " % number))
            number += 1
            await asyncio.sleep(PACE)  # the pace of speech
        return await call.write(chunk(END) + LAST_CHUNK)

    async def start(self, stack: AsyncExitStack) -> None:
        """Start the gateway, and wait until it is ready."""
        self.gateway = await stack.enter_async_context(
            program(
                *("--listen", f"{self.address}:{PORT}", "--skit-url", self.backend.url),
                *("--log-level", "warning"),  # nobody reads the log, and a full pipe would stall
                before=self.machine.command,
            )
        )
        await until(self._ready, WAIT_TIMEOUT)

    def signal(self, number: signal.Signals) -> None:
        assert self.gateway is not None
        self.gateway.signal(number)

    async def ended(self) -> int:
        assert self.gateway is not None
        return await self.gateway.ended()

    async def _ready(self) -> bool:
        try:
            sock = self.machine.socket()
            async with await connect(PORT, host=self.address, sock=sock) as client:
                return (await client.ask("GET", "/readyz")).status == 200
        except ConnectionRefusedError:
            return False


@dataclass
class Stream:
    """A long answer under way, read as it comes."""

    node: Node
    reading: asyncio.Task[Response]

    async def ended(self) -> bool:
        """Return whether it ended as a whole; nothing may be missing in what came of it."""
        response = await self.reading
        *numbers, last = response.body.split(b" ")
        assert numbers
        assert numbers == [b"%d" % number for number in range(len(numbers))]
        assert response.whole == (last == END), "an end that is not the backend's"
        return response.whole


@dataclass
class Cluster(SteadyLoad):
    """All of it, and a machine for the clients."""

    lan: Lan
    proxy: Haproxy
    nodes: dict[str, Node]
    stack: AsyncExitStack

    @property
    def answering(self) -> set[str]:
        return set(self.nodes)

    async def connect(self) -> RawClient:
        return await self.proxy.connect(self.lan.machines[CLIENT])

    async def streams(self, each: int = 2) -> list[Stream]:
        """Begin streams, as many on each gateway."""
        return [await self._stream() for _ in range(each * len(self.nodes))]

    async def _stream(self) -> Stream:
        begun = {name: node.streams for name, node in self.nodes.items()}
        client = await self.connect()
        self.stack.callback(client.leave)
        client.request("POST", "/tts", body=STREAM)
        reading = asyncio.create_task(client.response())

        def begun_on() -> list[Node]:
            return [node for node in self.nodes.values() if node.streams != begun[node.name]]

        (node,) = await until(begun_on, WAIT_TIMEOUT)
        return Stream(node, reading)


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as stack:
        network = stack.enter_context(lan(FRONT, CLIENT, *GATEWAYS.values()))
        nodes = {}
        for name, address in GATEWAYS.items():
            machine = network.machines[address]
            listener = machine.socket()
            listener.bind(("127.0.0.1", 0))
            backend = await stack.enter_async_context(scripted_backend(listener=listener))
            nodes[name] = node = Node(name, address, machine, backend)
            backend.script = node.speak
        await asyncio.gather(*(node.start(stack) for node in nodes.values()))
        proxy = await stack.enter_async_context(haproxy_on(network.machines[FRONT], FRONT))
        yield Cluster(network, proxy, nodes, stack)
