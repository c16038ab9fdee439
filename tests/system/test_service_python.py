"""The service gets a Python that its sandbox lets it run, or is told why it does not."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import systemd
from tests.support.paths import ROOT
from tests.support.systemd import PYTHON

PLACE = "/opt/speech-gateway-that-is-not-there"
MISSING = systemd.python_missing()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture
def hidden() -> Iterator[Path]:
    """A folder that the sandbox hides, with links in it to the system's Python."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        for name in ("python3.11", "python3.12", "python3.13", "python3"):
            Path(folder, name).symlink_to(PYTHON)
        yield Path(folder)


def run(
    script: str, *words: str | Path, path: str = "/usr/bin:/bin"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / script, *words],
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_is_found_behind_those_that_the_sandbox_hides(hidden: Path) -> None:
    found = run("service-python", PLACE, path=f"{hidden}:/usr/bin:/bin")

    assert found.returncode == 0
    assert found.stdout.strip() == os.path.realpath(PYTHON)


def test_one_that_was_asked_for_is_refused_where_the_sandbox_hides_it(hidden: Path) -> None:
    refused = run("service-python", PLACE, hidden / "python3")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"{hidden}/python3: the service's sandbox hides /tmp" in refused.stderr
    assert "PYTHON=/usr/bin/python3" in refused.stderr


def test_a_program_that_is_none_is_refused() -> None:
    refused = run("service-python", PLACE, "/bin/false")

    assert refused.returncode == 1
    assert "/bin/false: it does not run" in refused.stderr


@pytest.mark.parametrize("prefix", ["/root/gateway", "/home/me/gateway", "/opt/../tmp/gateway"])
def test_a_place_that_the_sandbox_hides_is_refused(prefix: str) -> None:
    refused = run("service-python", prefix)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"cannot live in {prefix}: the service's sandbox hides" in refused.stderr
    assert "/opt/speech-gateway would do" in refused.stderr


def test_a_place_that_leads_into_a_hidden_one_is_refused(hidden: Path) -> None:
    link = Path("/dev/shm", hidden.name)
    link.symlink_to(hidden)
    try:
        refused = run("service-python", link / "gateway")
    finally:
        link.unlink()

    assert refused.returncode == 1
    assert "sandbox hides /tmp" in refused.stderr


def test_a_place_that_is_closed_to_others_is_refused() -> None:
    closed = Path("/dev/shm", f"closed-{os.getpid()}")
    closed.mkdir(mode=0o700)
    try:
        refused = run("service-python", closed / "gateway")
    finally:
        closed.rmdir()

    assert refused.returncode == 1
    assert f"the service's user may not read {closed} (chmod o+rX)" in refused.stderr


@pytest.fixture
def place() -> Path:
    """A place of the machine's that the sandbox does not hide."""
    return Path("/dev/shm", f"gateway-{os.getpid()}")


def test_an_environment_with_a_hidden_python_is_made_anew(hidden: Path, place: Path) -> None:
    subprocess.run([hidden / "python3", "-m", "venv", "--without-pip", place], check=True)
    try:
        (place / "plugins").mkdir()
        made = run("service-venv", place, path=f"{hidden}:/usr/bin:/bin")
        again = run("service-venv", place)

        assert f"{place} is made anew" in made.stdout
        assert "the service's sandbox hides /tmp" in made.stdout
        assert (place / "bin/python").resolve() == Path(PYTHON).resolve()
        assert (place / "bin/pip").exists()
        assert (place / "plugins").exists()
        assert (again.returncode, again.stdout) == (0, "")
    finally:
        subprocess.run(["rm", "-rf", place], check=True)
