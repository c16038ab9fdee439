"""The gateway as a service on a host with systemd, in front of a scripted backend."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from .backend import ScriptedBackend, scripted_backend
from .client import RawClient
from .systemd import UNITS, Host

PREFIX = "/opt/speech-gateway"
CONFIG = "/etc/speech-gateway"
SERVICE, SOCKET = "speech-gateway.service", "speech-gateway.socket"
FAILED = "speech-gateway-failed.target"
PORT = 8080


def install(host: Host) -> str:
    """Install the gateway on the host, as an operator does; return what was told."""
    return host.make("install", f"PREFIX={PREFIX}")


@dataclass
class Service:
    """The installed gateway, in front of a scripted backend on the same host."""

    host: Host
    backend: ScriptedBackend

    def configure(self, environment: str = "", unit: str = "") -> None:
        """Set environment variables and lines of the unit's [Service], for one test."""
        url = "" if "SKIT_URL" in environment else f"SKIT_URL={self.backend.url}\n"
        self.host.write(f"{CONFIG}/environment", url + environment)
        self.host.write(f"{UNITS}/{SERVICE}.d/test.conf", f"[Service]\n{unit}\n")
        self.host.run("systemctl", "daemon-reload")

    def control(self, verb: str, unit: str = SERVICE) -> None:
        self.host.run("systemctl", verb, unit)

    async def check(self) -> tuple[int, str]:
        """Check the settings that it would start with; return status and what was told."""
        command = f"{PREFIX}/bin/speech-gateway check-service 2>&1; echo $?"
        told = await asyncio.to_thread(self.host.run, "sh", "-c", command)
        *lines, status = told.splitlines()
        return int(status), "\n".join(lines)

    async def control_meanwhile(self, verb: str) -> None:
        await asyncio.to_thread(self.control, verb)

    def show(self, what: str) -> str:
        return self.host.show(SERVICE, what)

    def journal(self) -> str:
        return self.host.run("journalctl", "--no-pager", "-o", "cat", "-u", SERVICE)

    async def until(self, what: str, value: str) -> None:
        """Wait until a property of the unit has a value."""
        async with asyncio.timeout(30):
            while await asyncio.to_thread(self.show, what) != value:
                await asyncio.sleep(0.05)  # only asking tells

    async def connect(self) -> RawClient:
        sock = self.host.machine.socket()
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", PORT))
        except OSError:
            sock.close()
            raise
        return RawClient(*await asyncio.open_connection(sock=sock))

    async def speak(self, text: bytes = b"Hello.") -> bytes:
        async with asyncio.timeout(30), await self.connect() as client:
            client.request("POST", "/tts", body=text)
            response = await client.response()
            assert (response.status, response.whole) == (200, True), response
            return response.body


@asynccontextmanager
async def service_on(host: Host) -> AsyncIterator[Service]:
    listener = host.machine.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    async with scripted_backend(listener=listener) as backend:
        yield Service(host, backend)
