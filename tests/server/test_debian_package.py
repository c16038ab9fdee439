"""What ``make deb`` builds: installed, started, spoken through, upgraded and removed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import systemd
from tests.support.documents import OPERATING
from tests.support.service import CONFIG, SERVICE, SOCKET, Service, service_on
from tests.support.systemd import UNITS, Host

MISSING = systemd.MISSING or systemd.python_missing()
POLICY = "/usr/sbin/policy-rc.d"
PACKAGED = ("/usr/lib/speech-gateway", "/usr/share/speech-gateway", "/usr/bin/speech-gateway")

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.timeout(300),  # the first of them builds it
]


@dataclass
class Package:
    """The package, on a host that allows packages to start services."""

    host: Host
    file: Path

    async def install(self, command: str = "dpkg --install") -> str:
        """Install it, or install it over itself; return what was told."""
        return await self._run(f"{command} {self.file}")

    async def take(self, how: str) -> None:
        """Remove or purge it."""
        await self._run(f"dpkg --{how} speech-gateway")

    async def _run(self, command: str) -> str:
        # The backend answers meanwhile: the gateway looks at it.
        return await asyncio.to_thread(self.host.run, "sh", "-c", f"{command} 2>&1")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Package]:
    dist = tmp_path_factory.mktemp("dist")
    with systemd.booted() as host:
        (documented,) = [line for line in OPERATING.commands(prompt="#") if "make deb" in line]
        # with less in it than that: its size makes no difference
        host.make(*documented.split()[1:], f"DIST={dist}", "EXTRAS=")
        (built,) = dist.glob("*.deb")
        yield Package(host, built)


@pytest.fixture
async def service(package: Package) -> AsyncIterator[Service]:
    package.host.remove(POLICY)
    async with service_on(package.host) as service:
        service.configure()
        yield service
        await package.take("purge")
        package.host.remove(f"{UNITS}/{SERVICE}.d")


async def test_it_starts_what_it_installs_and_stops_what_it_removes(
    package: Package, service: Service
) -> None:
    (documented,) = [line for line in OPERATING.commands(prompt="#") if "apt install" in line]
    await package.install(documented.removesuffix(" ./dist/speech-gateway_*.deb"))

    assert await service.speak() == b"OggS-speech"
    assert package.host.run("systemctl", "is-enabled", SOCKET, SERVICE).split() == 2 * ["enabled"]
    assert package.host.run("speech-gateway", "check-service") == ""

    await package.take("remove")

    assert service.show("ActiveState") == "inactive"
    with pytest.raises(ConnectionRefusedError):
        await service.connect()
    assert package.host.run("ls", CONFIG).split() == ["environment", "speech-gateway.conf"]


async def test_a_purge_leaves_nothing(package: Package, service: Service) -> None:
    await package.install()

    await package.take("purge")

    left = package.host.run("find", *PACKAGED, CONFIG, UNITS, "-name", "*speech*", check=False)
    assert left.split() == [f"{UNITS}/{SERVICE}.d"]  # the test's own


async def test_an_upgrade_replaces_a_gateway_only_by_one_that_would_start(
    package: Package, service: Service
) -> None:
    await package.install()
    first = service.show("MainPID")

    service.configure("GATEWAY_MAX_QUEUE=lots\n")
    told = await package.install()

    assert "max-queue (from the environment's GATEWAY_MAX_QUEUE)" in told
    assert "the old gateway still runs" in told
    assert service.show("MainPID") == first
    assert await service.speak() == b"OggS-speech"

    service.configure()
    await package.install()

    assert service.show("MainPID") not in {first, "0"}
    assert await service.speak() == b"OggS-speech"


async def test_it_starts_nothing_where_the_machines_policy_forbids_it(
    package: Package, service: Service
) -> None:
    package.host.write(POLICY, "#!/bin/sh\nexit 101\n")
    package.host.run("chmod", "755", POLICY)

    await package.install()

    assert service.show("ActiveState") == "inactive"
    with pytest.raises(ConnectionRefusedError):
        await service.connect()


def test_it_depends_on_the_very_python_that_it_was_made_with(package: Package) -> None:
    python = Path(systemd.PYTHON).resolve()
    depends = package.host.run("dpkg-deb", "--field", str(package.file), "Depends")
    link = package.host.run("sh", "-c", f"dpkg-deb --contents {package.file} | grep {python}")

    assert depends.split(", ")[0] == python.name
    assert f"/usr/lib/speech-gateway/bin/{python.name} -> {python}" in link
