"""The program: ``python -m speech_gateway``, or ``speech-gateway``."""

import os
import sys
from collections.abc import Sequence

import uvloop

from . import logs, settings
from .engine import EngineError
from .listeners import ListenError
from .open_files import TooFewFilesError
from .service import ServiceError, serve

WRONG_SETTINGS = 2
CANNOT_SERVE = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the gateway; return the exit status."""
    try:
        loaded, check_only = settings.load(sys.argv[1:] if argv is None else argv, os.environ)
    except settings.SettingsError as error:
        for problem in error.problems:
            _say(problem)
        return WRONG_SETTINGS
    if check_only:
        _say("the settings are right")
        return 0
    logs.set_up(loaded.log_format, loaded.log_level)
    try:
        uvloop.run(serve(loaded, greet=loaded.skit_url is None and loaded.log_format == "text"))
    except (ServiceError, TooFewFilesError, ListenError, EngineError) as error:
        _say(str(error))
        return CANNOT_SERVE
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"speech-gateway: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
