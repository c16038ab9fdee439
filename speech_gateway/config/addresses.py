"""Clients' addresses: however they come in, an IPv4 one is an IPv4 one."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address

_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")


def parse_address(text: str) -> Address:
    """Return the address that text is, or begins with: some proxies add the port.

    ``192.0.2.1``, ``192.0.2.1:80``, ``2001:db8::1``, ``[2001:db8::1]`` and ``[2001:db8::1]:80``. An
    IPv4 address that a socket for both kinds shows as IPv6 is IPv4 (RFC 4291, section 2.5.5.2).

    Raises:
        ValueError: it is none of these.
    """
    with_port = _WITH_PORT.fullmatch(text)
    address = ip_address(text if with_port is None else with_port[1] or with_port[2])
    return getattr(address, "ipv4_mapped", None) or address
