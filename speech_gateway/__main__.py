"""The program: ``python -m speech_gateway``, or ``speech-gateway``."""

import gc
import logging
import os
import sys
from collections.abc import Sequence

import uvloop

from . import logs, standard_streams
from .config import settings
from .embedded.launcher import EngineError
from .plugins import PluginError
from .server.listeners import ListenError
from .server.open_files import TooFewFilesError
from .server.sd_notify import Supervisor
from .server.service import ServiceError, serve
from .server.socket_activation import InheritedError, take_sockets

WRONG_SETTINGS = 2
CANNOT_SERVE = 1
FOR_PEOPLE = (
    ServiceError,
    TooFewFilesError,
    InheritedError,
    ListenError,
    EngineError,
    PluginError,
)
"""What tells by itself why the gateway cannot serve."""

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the gateway; return the exit status."""
    standard_streams.ensure_open()
    try:
        loaded, check_only = settings.load(sys.argv[1:] if argv is None else argv, os.environ)
    except settings.SettingsError as error:
        for problem in error.problems:
            _say(problem)
        return WRONG_SETTINGS
    if check_only:
        for warning in settings.warnings(loaded):
            _say(f"warning: {warning}")
        _say("the settings are right")
        return 0
    logs.set_up(loaded.log_format, loaded.log_level, os.environ)
    for warning in settings.warnings(loaded):
        log.warning("%s", warning)
    _spare_the_collector()
    supervisor = Supervisor.of(os.environ)
    for_people = loaded.log_format == "text" and not supervisor.listens
    try:
        inherited = take_sockets(os.environ)
        greet = for_people and loaded.skit_url is None
        uvloop.run(serve(loaded, supervisor, inherited, greet=greet))
    except FOR_PEOPLE as error:
        _say(str(error))
        return CANNOT_SERVE
    except Exception as error:
        _say(f"cannot serve, for an unexpected {type(error).__name__}: {error}")
        log.debug("it came from here", exc_info=True)
        return CANNOT_SERVE
    return 0


def _spare_the_collector() -> None:
    """Keep what lasts out of the cyclic collector's sight, and have it look less often.

    A request leaves no cycle behind, so there is little to find: at Python's own thresholds looking
    for it took 2 to 5 of 100 of the processor time, in pauses that a listener may hear.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _say(line: str) -> None:
    mark = logs.ERROR_MARK if logs.is_journal(sys.stderr, os.environ) else ""
    standard_streams.say(sys.stderr, f"{mark}speech-gateway: {standard_streams.printable(line)}\n")


if __name__ == "__main__":
    sys.exit(main())
