"""Announces the listener on the local network, where Home Assistant looks for it.

DNS-based service discovery over multicast DNS (RFC 6763, RFC 6762).
"""

import asyncio
import logging
import socket
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

import ifaddr
from zeroconf import Error, IPVersion, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

SERVICE = "_wyoming._tcp.local."
NAME = "speech-gateway"
LONGEST_HOST_NAME = 40
"""Characters of the machine's name that are told; all of the name has 63 bytes at most."""

log = logging.getLogger(__name__)


async def announce(host: str, port: int) -> None:
    """Announce a port of this machine's until cancelled; one that fails is told in the log.

    Args:
        host: the address that is listened on; one that stands for all is all of its kind.
    """
    try:
        if not (addresses := list(_addresses(host))):
            raise OSError("there is no network")
        version = IPVersion.V6Only if any(":" in one for one in addresses) else IPVersion.V4Only
        async with AsyncZeroconf(interfaces=addresses, ip_version=version) as network:
            info = _service(addresses, port)
            await (await network.async_register_service(info, allow_name_change=True))
            log.info("Wyoming is announced as %r, at %s", info.name, ", ".join(addresses))
            await asyncio.Event().wait()
    except (OSError, RuntimeError, Error) as error:
        why = str(error) or type(error).__name__
        log.warning("Wyoming cannot be announced on the network: %s", why)


def _service(addresses: Sequence[str], port: int) -> ServiceInfo:
    machine = socket.gethostname().partition(".")[0][:LONGEST_HOST_NAME]
    return ServiceInfo(
        SERVICE,
        f"{NAME} at {machine}:{port}.{SERVICE}",
        port=port,
        parsed_addresses=list(addresses),
        server=f"{NAME}-{machine}.local.",
    )


def _addresses(host: str) -> Iterator[str]:
    """Yield the addresses that others reach host by."""
    bound = ip_address(host)
    if not bound.is_unspecified:
        yield host
        return
    for adapter in ifaddr.get_adapters():
        for found in adapter.ips:
            address = ip_address(found.ip if isinstance(found.ip, str) else found.ip[0])
            if address.version == bound.version and not (
                address.is_loopback or address.is_link_local
            ):
                yield str(address)
