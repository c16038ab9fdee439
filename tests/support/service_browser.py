"""Looks for Wyoming on the local network, as Home Assistant does, until its input ends.

``python -m tests.support.service_browser ADDRESS`` writes a JSON object a line for each service
that appears on the network of that address, with where it is, and for each that goes.
"""

import asyncio
import json
import sys

from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

SERVICE = "_wyoming._tcp.local."
RESOLVE_MILLISECONDS = 5_000


def tell(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def resolve(network: AsyncZeroconf, name: str) -> None:
    info = AsyncServiceInfo(SERVICE, name)
    await info.async_request(network.zeroconf, RESOLVE_MILLISECONDS)
    tell(found=name, addresses=info.parsed_addresses(), port=info.port)


async def main(address: str) -> None:
    tasks = set()

    def changed(
        zeroconf: Zeroconf,
        service_type: str,
        name: str,
        state_change: ServiceStateChange,
    ) -> None:
        if state_change is ServiceStateChange.Removed:
            tell(gone=name)
        elif state_change is ServiceStateChange.Added:
            tasks.add(asyncio.create_task(resolve(network, name)))

    async with AsyncZeroconf(interfaces=[address]) as network:
        browser = AsyncServiceBrowser(network.zeroconf, SERVICE, handlers=[changed])
        tell(looking=SERVICE)
        await asyncio.to_thread(sys.stdin.read)
        await browser.async_cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
