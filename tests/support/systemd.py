"""A machine with a real systemd as its first process, in namespaces of its own."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tests.support.paths import ROOT

from . import network
from .network import Machine
from .polling import until_blocking

SYSTEMD = Path("/lib/systemd/systemd")
PYTHON = "/usr/bin/python3"
"""The sandbox hides those in people's homes."""
BOOT_TIMEOUT = 30.0
UNITS = "/etc/systemd/system"
PACKAGED_UNITS = "/usr/lib/systemd/system"
UNIT_PATH = f"{UNITS}:/run/systemd/system:{PACKAGED_UNITS}:/run/machine"
CREDENTIALS = "/etc/credstore"
_NAMESPACES = ("-m", "-p", "-u", "-i", "-C", "-n")

# What systemd and an installation write is in memory. The units are those of this file alone: the
# machine's own, as the one that empties /tmp, would see to files that are everybody's. /usr,
# /var/cache and /var/lib are for packages.
_BOOT = f"""
set -e
mount --make-rprivate /
mount --make-rshared /
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /opt
mount -t tmpfs tmpfs /var/log
for folder in /etc /usr /var/cache /var/lib; do
    mkdir -p /run/layers$folder/written /run/layers$folder/work
    layers=lowerdir=$folder,upperdir=/run/layers$folder/written,workdir=/run/layers$folder/work
    mount -t overlay overlay -o $layers $folder
done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /run/lock /run/machine
for unit in sysinit basic sockets shutdown multi-user network-online umount; do
    printf '[Unit]\\nDescription=%s\\nDefaultDependencies=no\\n' $unit >/run/machine/$unit.target
done
for unit in .service .socket -dev-log.socket; do
    cp /lib/systemd/system/systemd-journald$unit /run/machine/
done
mount -t tmpfs tmpfs {UNITS}
mount -t tmpfs tmpfs {PACKAGED_UNITS}
exec env -i PATH="$PATH" container=test \\
    SYSTEMD_UNIT_PATH={UNIT_PATH} \\
    SYSTEMD_GENERATOR_PATH=/nowhere SYSTEMD_ENVIRONMENT_GENERATOR_PATH=/nowhere \\
    {SYSTEMD} --system --unit=multi-user.target --log-target=journal --show-status=no
"""


def _missing() -> str:
    if network.MISSING:
        return network.MISSING
    if not SYSTEMD.exists():
        return "needs systemd"
    if not re.search(r"^\S+ \S+ cgroup2 ", Path("/proc/mounts").read_text(), re.M):
        return "needs control groups of the second version"
    namespaces = ("--fork", "--pid", "--mount-proc", "--uts", "--ipc", "--cgroup")
    return "" if network.may_unshare(*namespaces) else "needs the right to make namespaces"


MISSING = _missing()
"""Why there can be no such machine here; empty where there can be."""


@dataclass(frozen=True)
class Host:
    """A running systemd, and the namespaces that it is the first process of."""

    machine: Machine
    pid: int

    def run(self, *words: str, check: bool = True) -> str:
        """Run a command on the host; return what it wrote to standard output."""
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", *_NAMESPACES, "--", *words],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def make(self, *words: str) -> str:
        """Run make with words, on the host's files but with the outer network."""
        root = ROOT
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", "-m", "--", "make", "-s", "-C", str(root), *words],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def show(self, unit: str, what: str) -> str:
        """Return a property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", what, unit).strip()

    def write(self, path: str, text: str) -> None:
        """Write a file on the host."""
        place = Path(f"/proc/{self.pid}/root{path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def remove(self, path: str) -> None:
        """Remove a file or a folder of the host's, if it is there."""
        self.run("rm", "-rf", path)


@contextmanager
def booted() -> Iterator[Host]:
    """Boot a host, and end all its processes with the block."""
    machine = Machine(f"speech-{uuid4().hex[:8]}-host")
    group = _control_groups() / machine.name
    group.mkdir()
    machine.add()
    process = subprocess.Popen(
        [
            *("sh", "-c", f'echo $$ >{group}/cgroup.procs && exec "$@"', "sh", *machine.command),
            *("unshare", "--fork", "--kill-child", "--pid", "--mount-proc", "--uts", "--ipc"),
            *("--cgroup", "sh", "-c", _BOOT),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield _when_up(machine, process)
    finally:
        process.kill()
        process.wait()
        machine.remove()
        _remove_group(group)


def _when_up(machine: Machine, process: "subprocess.Popen[bytes]") -> Host:
    def running() -> Host | None:
        assert process.poll() is None, "the host did not boot"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            host = Host(machine, int(child))
            if host.run("systemctl", "is-system-running", check=False).strip() == "running":
                return host
        return None

    host = until_blocking(running, BOOT_TIMEOUT)
    assert host is not None
    host.run("systemctl", "start", "systemd-journald.socket", "systemd-journald.service")
    return host


def _control_groups() -> Path:
    """Return where the second version's hierarchy is mounted."""
    for line in Path("/proc/mounts").read_text().splitlines():
        kind, place, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    raise FileNotFoundError("no cgroup2 is mounted")


def _remove_group(group: Path) -> None:
    """Remove a control group and those in it, as soon as their last processes are gone."""

    def removed() -> bool:
        for folder, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
        return not group.exists()

    until_blocking(removed, BOOT_TIMEOUT)


def python_missing() -> str:
    """Return why the system has no Python to install with; empty where it has."""
    wants = "import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))"
    if (
        Path(PYTHON).exists()
        and not subprocess.run(
            [PYTHON, "-c", wants], check=False, stderr=subprocess.DEVNULL
        ).returncode
    ):
        return ""
    return "needs Debian's python3, 3.11 or later, with python3-venv"
