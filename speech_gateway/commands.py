"""What the program does instead of serving: its help, its version, its health, completions.

Nothing here imports what the gateway serves with: a health check must not cost as much as a start.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib.resources import files

from . import __version__, first_process, health_probe
from .config import command_line
from .config.command_line import COMPLETION, HEALTH, HELP, SHELLS, VERSION
from .config.help_text import help_text
from .config.options import OPTIONS
from .standard_streams import say
from .startup_error import CANNOT_SERVE, WRONG_SETTINGS, StartupError


def carry_out(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Carry out the command in argv; return whether there is one.

    Those that need all settings judged are left to ``settings.load``.

    Raises:
        StartupError: the answer is no, or the command is wrong.
    """
    flags = command_line.read(OPTIONS, argv)
    if HELP in flags.given:
        say(sys.stdout, help_text(OPTIONS))
    elif VERSION in flags.given:
        say(sys.stdout, f"speech-gateway {__version__}\n")
    elif COMPLETION in flags.given:
        say(sys.stdout, _completion(flags.given[COMPLETION][-1]))
    elif HEALTH in flags.given:
        settings = argv if flags.given.keys() - {HEALTH} else first_process.gateway_arguments()
        _check_health(flags.problems, flags.given[HEALTH][-1], settings, environ)
    else:
        return False
    return True


def _completion(shell: str) -> str:
    if shell not in SHELLS:
        raise StartupError(
            f"{COMPLETION} (from {command_line.ORIGIN}) must be {' or '.join(SHELLS)}",
            exit_status=WRONG_SETTINGS,
        )
    name = "_speech-gateway" if shell == "zsh" else f"speech-gateway.{shell}"
    return files(__package__).joinpath("shell", name).read_text()


def _check_health(
    wrong_flags: Sequence[str], url: str, argv: Sequence[str], environ: Mapping[str, str]
) -> None:
    """Judge the flags before the gateway: one that is misspelt may hide which gateway is meant.

    The status is 1 for either; Docker keeps 2 for itself.
    """
    if wrong_flags:
        raise StartupError(*wrong_flags, exit_status=CANNOT_SERVE)
    problem = health_probe.problem(url, argv, environ)
    if problem is not None:
        raise StartupError(problem, exit_status=CANNOT_SERVE)
