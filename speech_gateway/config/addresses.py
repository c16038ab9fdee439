"""Addresses, as data: of clients, of listeners and of the backend."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
MAX_SOCKET_PATH = 107
"""Bytes: unix(7)."""

_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")


def parse_address(text: str) -> Address:
    """Return the address that text is, or begins with: some proxies add the port.

    ``192.0.2.1``, ``192.0.2.1:80``, ``2001:db8::1``, ``[2001:db8::1]`` and ``[2001:db8::1]:80``. An
    IPv4 address that a dual-stack socket shows as IPv6 is IPv4 (RFC 4291, section 2.5.5.2).

    Raises:
        ValueError: it is none of these.
    """
    with_port = _WITH_PORT.fullmatch(text)
    address = ip_address(text if with_port is None else with_port[1] or with_port[2])
    return getattr(address, "ipv4_mapped", None) or address


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where the gateway listens: a port of a host (all of them when empty), or a unix socket."""

    host: str = ""
    port: int = 0
    unix_path: Path | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether this machine alone can reach it, as far as its text tells."""
        if self.unix_path is not None or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def bracketed(host: str) -> str:
    """Return host as it stands before a port: an IPv6 address in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True, slots=True)
class UpstreamAddress:
    """Where an upstream listens."""

    host: str = "localhost"
    port: int = 80
    tls: bool = False
    unix_path: str | None = None
    base_path: str = ""

    @property
    def host_header(self) -> str:
        """The ``Host`` field's value (RFC 9110, section 7.2)."""
        host = bracketed(self.host)
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"
