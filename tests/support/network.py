"""Machines and the cables between them: network namespaces, for what loopback cannot show."""

import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

GATEWAY_ADDRESS = "192.0.2.1"
"""Of the block for documentation (RFC 5737): nobody's."""
CLIENT_ADDRESS = "192.0.2.2"
_NEW_NETWORK = 0x40000000


def may_unshare(*namespaces: str) -> bool:
    """Return whether namespaces may be made: root in a container often may not."""
    command = ["unshare", *namespaces, "true"]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0


def _missing() -> str:
    if os.geteuid():
        return "needs root"
    if not shutil.which("ip"):
        return "needs iproute2's ip command"
    return "" if may_unshare("--net") else "needs the right to make network namespaces"


MISSING = _missing()
"""Why there can be no namespaces here; empty where there can be."""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@dataclass(frozen=True)
class Machine:
    """A network namespace."""

    name: str

    @property
    def command(self) -> tuple[str, ...]:
        """The words that make a command run here."""
        return ("ip", "netns", "exec", self.name)

    def add(self) -> None:
        """Make the machine, with its own loopback."""
        _ip("netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def remove(self) -> None:
        """Take the machine away; harmless when it is gone."""
        subprocess.run(["ip", "netns", "del", self.name], check=False)

    def ip(self, *words: str) -> None:
        _ip("-n", self.name, *words)

    def send_in_segments(self) -> None:
        """Have each segment leave by itself, as on a cable of 10 Mbit/s; else many go as one."""
        rate = ("rate", "10mbit", "burst", "2000", "limit", "1000000")
        command = ("tc", "-n", self.name, "qdisc", "add", "dev", "cable", "root", "tbf", *rate)
        subprocess.run(command, check=True)

    def socket(self) -> socket.socket:
        """Return a TCP socket of this machine's: sockets stay in the namespace they are made in."""
        made: list[socket.socket] = []

        def make() -> None:
            with Path(f"/run/netns/{self.name}").open() as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _NEW_NETWORK):
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.socket())

        thread = threading.Thread(target=make)  # a namespace is the thread's, which ends with it
        thread.start()
        thread.join()
        return made[0]


@dataclass(frozen=True)
class Network:
    """A gateway's machine and a client's."""

    gateway: Machine
    client: Machine

    def silence_client(self) -> None:
        """Let nothing be heard of the client's machine any more, as when its lid is closed."""
        self.client.ip("addr", "flush", "dev", "cable")


@contextmanager
def two_machines() -> Iterator[Network]:
    stem = f"speech-{uuid4().hex[:8]}"
    network = Network(Machine(f"{stem}-gateway"), Machine(f"{stem}-client"))
    try:
        for machine in (network.gateway, network.client):
            machine.add()
        network.gateway.ip(
            *("link", "add", "cable", "type", "veth", "peer", "name", "cable"),
            *("netns", network.client.name),
        )
        for machine, address in (
            (network.gateway, GATEWAY_ADDRESS),
            (network.client, CLIENT_ADDRESS),
        ):
            machine.ip("addr", "add", f"{address}/24", "dev", "cable")
            machine.ip("link", "set", "cable", "up")
        yield network
    finally:
        for machine in (network.gateway, network.client):
            machine.remove()


@dataclass(frozen=True)
class Lan:
    """Machines around a switch, by their addresses."""

    switch: Machine
    machines: Mapping[str, Machine]

    def unplug(self, address: str) -> None:
        """Pull a machine's cable out of the switch: nobody is told, and nothing comes through."""
        self.switch.ip("link", "set", self._socket_of(address), "down")

    def plug(self, address: str) -> None:
        """Put a machine's cable into the switch."""
        self.switch.ip("link", "set", self._socket_of(address), "up")

    def lay(self, address: str) -> None:
        """Lay a cable from a machine to the switch, and plug it in."""
        machine, end = self.machines[address], self._socket_of(address)
        machine.ip(
            *("link", "add", "cable", "type", "veth", "peer", "name", end),
            *("netns", self.switch.name),
        )
        machine.ip("addr", "add", f"{address}/24", "dev", "cable")
        machine.ip("link", "set", "cable", "up")
        self.switch.ip("link", "set", end, "master", "switch")
        self.plug(address)

    def _socket_of(self, address: str) -> str:
        return f"to{list(self.machines).index(address)}"


@contextmanager
def lan(*addresses: str) -> Iterator[Lan]:
    """Have a machine for each address, all on one switch."""
    stem = f"speech-{uuid4().hex[:8]}"
    machines = {address: Machine(f"{stem}-{address}") for address in addresses}
    network = Lan(Machine(f"{stem}-switch"), machines)
    everything = [network.switch, *machines.values()]
    try:
        for machine in everything:
            machine.add()
        network.switch.ip("link", "add", "switch", "type", "bridge")
        network.switch.ip("link", "set", "switch", "up")
        for address in addresses:
            network.lay(address)
        yield network
    finally:
        for machine in everything:
            machine.remove()
