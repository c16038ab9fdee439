"""The program: ``python -m speech_gateway``, or ``speech-gateway``."""

import gc
import logging
import os
import sys
from collections.abc import Sequence

from . import commands, logs, standard_streams
from .server.sd_notify import Supervisor
from .server.socket_activation import take_sockets
from .service_files import service_commands
from .startup_error import CANNOT_SERVE, WRONG_SETTINGS, StartupError

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the gateway; return the exit status."""
    standard_streams.ensure_open()
    words = sys.argv[1:] if argv is None else argv
    try:
        if command := service_commands.of(words):
            return command(words[1:])
        return 0 if commands.carry_out(words, os.environ) else _run(words)
    except StartupError as error:
        for problem in error.problems:
            _say(problem)
        return error.exit_status
    except ImportError as error:
        _say(f"not installed whole: {error}; install it again")
        return WRONG_SETTINGS
    except Exception as error:
        _say(f"cannot serve, for an unexpected {type(error).__name__}: {error}")
        log.debug("it came from here", exc_info=True)
        return CANNOT_SERVE


def _run(argv: Sequence[str]) -> int:
    import uvloop  # noqa: PLC0415 - commands are carried out without these

    from .config import settings  # noqa: PLC0415

    loaded, check_only = settings.load(argv, os.environ)
    from .server.service import serve  # noqa: PLC0415 - aiohttp may be the wrong one, which is told

    if check_only:
        for warning in settings.warnings(loaded):
            _say(f"warning: {warning}")
        _say("the settings are right")
        return 0
    logs.set_up(loaded.log_format, loaded.log_level, os.environ)
    for warning in settings.warnings(loaded):
        log.warning("%s", warning)
    _tune_garbage_collector()
    supervisor = Supervisor.of(os.environ)
    for_people = loaded.log_format == "text" and not supervisor.listens
    inherited = take_sockets(os.environ)
    greet = for_people and loaded.skit_url is None
    uvloop.run(
        serve(
            loaded,
            lambda: settings.load(argv, os.environ)[0],
            supervisor,
            inherited,
            greet=greet,
        )
    )
    return 0


def _tune_garbage_collector() -> None:
    """Keep what lasts out of the cyclic garbage collector, and have it run less often.

    A request leaves no cycle behind, so there is little to collect. At Python's own thresholds the
    collector took 2 to 5 % of the processor time, in pauses that a listener may hear.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _say(line: str) -> None:
    mark = logs.ERROR_MARK if logs.is_journal(sys.stderr, os.environ) else ""
    standard_streams.say(sys.stderr, f"{mark}speech-gateway: {standard_streams.printable(line)}\n")


if __name__ == "__main__":
    sys.exit(main())
