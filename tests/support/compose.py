"""The compose file, as a program that knows the Compose Specification reads it."""

import json
import os
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from .paths import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
KEYS = DEPLOY / "compose.keys.yaml"
SETTINGS = DEPLOY / ".env"
CHECKER = "COMPOSE_SPEC"
"""The variable that names the program; ``make test-compose`` sets it."""
SECONDS = {"s": 1, "m": 60}
NAMES = (
    *("gateway", "gateway-one", "gateway-two", "haproxy"),
    *("streamkit", "streamkit-state", "prometheus", "grafana"),
)

Service = dict[str, Any]


def checked(*files: Path) -> subprocess.CompletedProcess[str]:
    """Have files judged by the specification; the output is the whole model, with all defaults."""
    return subprocess.run(
        [os.environ[CHECKER], "-format", "json", *files],
        cwd=DEPLOY,
        capture_output=True,
        text=True,
        check=False,
    )


def model(file: Path = COMPOSE) -> dict[str, Any]:
    told = checked(file)
    assert told.returncode == 0, told.stderr
    return dict(json.loads(told.stdout))


def with_variable(folder: Path, name: str, value: str) -> dict[str, Any]:
    """Return the model where a variable has a value. The program leaves the environment out."""
    text, count = re.subn(rf"\$\{{{name}:-[^}}]*\}}", value, COMPOSE.read_text())
    assert count, name
    copy = folder / COMPOSE.name
    copy.write_text(text)
    return model(copy)


@cache
def services() -> dict[str, Service]:
    return dict(model()["services"])


def of_profile(profile: str) -> set[str]:
    return {name for name, service in services().items() if service["profiles"] == [profile]}


def settings() -> dict[str, str]:
    """Return what the file of variables sets."""
    return _assigned(r"^(\w+)=(.*)$")


def told_defaults() -> dict[str, str]:
    """Return what the file of variables says that the defaults are."""
    return _assigned(r"^#(\w+)=(.*)$")


def used_defaults() -> set[tuple[str, str]]:
    return set(re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE.read_text()))


def mounts(service: str) -> dict[str, Path]:
    """Return the files and folders of the repository that a service sees, by where it sees them."""
    volumes = services()[service].get("volumes", [])
    return {one["target"]: Path(one["source"]) for one in volumes if one["type"] == "bind"}


def seconds(duration: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([sm])", duration).groups()  # type: ignore[union-attr]
    return int(number) * SECONDS[unit]


def _assigned(line: str) -> dict[str, str]:
    return dict(re.findall(line, SETTINGS.read_text(), re.MULTILINE))
