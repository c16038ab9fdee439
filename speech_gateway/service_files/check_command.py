"""``speech-gateway check-service``: would the service start with the settings that it would get?

A restart stops the old gateway before the new one judges its settings; this judges them before.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import standard_streams
from ..startup_error import WRONG_SETTINGS, StartupError
from .check_unit import OUTPUT, check_unit
from .service_tree import SERVICE

CHECK = "speech-gateway-check.service"
RUNTIME_UNITS = Path("/run/systemd/system")


def main(argv: Sequence[str]) -> int:
    """Check the settings as the service's user, in its sandbox; return the exit status.

    Raises:
        StartupError: there is no such service, or systemd does not do what it is told.
    """
    argparse.ArgumentParser(
        prog="speech-gateway check-service",
        description=f"Check the settings of {SERVICE} as its own user, in its sandbox, with its "
        "environment and credentials, beside a running gateway. For root; before a restart.",
    ).parse_args(argv)
    _systemctl("daemon-reload")  # for what was edited since the last
    service = _systemctl("cat", SERVICE)
    unit = RUNTIME_UNITS / CHECK
    try:
        RUNTIME_UNITS.mkdir(exist_ok=True)
        unit.write_text(check_unit(service))
        return _checked()
    except OSError as error:
        raise StartupError(f"{error.filename} cannot be written: {error.strerror}") from error
    finally:
        unit.unlink(missing_ok=True)
        Path(OUTPUT).unlink(missing_ok=True)


def _checked() -> int:
    """Start the check; tell what it said, or why it could not be started."""
    output = Path(OUTPUT)
    output.unlink(missing_ok=True)
    try:
        _systemctl("start", CHECK)
    except StartupError as error:
        if not output.exists() or not output.read_text():  # the sandbox, a credential, ...
            raise StartupError(
                *error.problems, *_journal(), exit_status=error.exit_status
            ) from error
        standard_streams.say(sys.stderr, output.read_text())
        return WRONG_SETTINGS
    standard_streams.say(sys.stderr, output.read_text())
    return 0


def _journal() -> list[str]:
    """Return systemd's own last words on the check."""
    told = _run("journalctl", "--no-pager", "--output=cat", "--lines=6", f"--unit={CHECK}")
    return told.stdout.splitlines()


def _systemctl(*words: str) -> str:
    done = _run("systemctl", *words)
    if done.returncode:
        why = done.stderr.partition("\n")[0]
        raise StartupError(f"systemctl {' '.join(words)}: {why}", exit_status=WRONG_SETTINGS)
    return done.stdout


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, check=False, capture_output=True, text=True)  # noqa: S603 - fixed
