"""The unit that checks the settings just as the service would get them.

An operator's drop-ins are a part of the service: environment, credentials, groups. No unit shares
them with another, so this one is made of them, each time.
"""

import re
from collections.abc import Iterator

OUTPUT = "/run/speech-gateway-check.log"
_OF_A_RUNNING_ONE = re.compile(
    "Exec|Type|NotifyAccess|PIDFile|Restart|SuccessExit|Watchdog|Timeout|RuntimeDirectory|RuntimeMax"
    "|Kill|OOM|Standard|FileDescriptorStore|Sockets|BusName"
)
"""Beginnings of settings that say how the service runs, and not in what."""
_CHECK = f"""\
# Made by speech-gateway check-service of speech-gateway.service and its drop-ins; it is not edited.
[Unit]
Description=Check of the settings of speech-gateway.service
CollectMode=inactive-or-failed

[Service]
Type=oneshot
TimeoutStartSec=60
StandardOutput=truncate:{OUTPUT}
StandardError=append:{OUTPUT}
"""


def check_unit(service: str) -> str:
    """Return the unit for a service, which is as ``systemctl cat`` tells it."""
    start: list[str] = []
    kept = []
    for name, value in _settings(service):
        if name == "ExecStart":
            start = [*start, value] if value else []
        elif not _OF_A_RUNNING_ONE.match(name):
            kept.append(f"{name}={value}\n")
    checked = [f"ExecStart={value} --check-config\n" for value in start]
    return "".join([_CHECK, *kept, *checked])


def _settings(unit: str) -> Iterator[tuple[str, str]]:
    """Yield the settings of [Service], in order; an empty value takes back those before it."""
    section = ""
    uncommented = re.sub(r"^\s*[#;].*\n", "", unit, flags=re.MULTILINE)
    for line in re.sub(r"\\\n", " ", uncommented).splitlines():
        if head := re.fullmatch(r"\s*\[([^\]]+)\]\s*", line):
            section = head[1]
        elif section == "Service" and "=" in line:
            name, _, value = line.partition("=")
            yield name.strip(), value.strip()
