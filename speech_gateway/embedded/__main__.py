"""The engine as a program: ``python -m speech_gateway.embedded --listen 127.0.0.1:4545``."""

import argparse
import asyncio
import logging
import os
import shutil
import signal
import sys
import threading
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from .. import logs, standard_streams
from ..config import parsers
from ..config.addresses import ListenAddress
from ..server.listeners import Bounds, listen
from ..startup_error import StartupError
from .cores import cores
from .launcher import READY, missing_parts
from .model_folder import check_folder, packaged_weights

if TYPE_CHECKING:
    from .routes import Ears

log = logging.getLogger(__name__)

REMOVALS = 3
"""The folder is emptied more than once, as a socket may be created meanwhile."""


def main() -> int:
    """Run the engine until SIGTERM, SIGINT, or the end of the gateway that started it."""
    standard_streams.ensure_open()
    parser = _parser()
    arguments = parser.parse_args()
    if missing := missing_parts():
        parser.error(f"{', '.join(missing)} is missing; install speech-gateway[embedded]")
    try:
        address = parsers.listen_address(arguments.listen)
    except ValueError as error:
        parser.error(f"--listen {error}")
    model = arguments.stt_model or packaged_weights()
    try:
        if model is not None:
            check_folder(model)
    except ValueError as error:
        parser.error(f"--stt-model {error}")
    child = arguments.child is not None
    if child:  # before what takes its time
        threading.Thread(target=_end_with_parent, args=[arguments.child], daemon=True).start()
    logs.set_up("text", "info", os.environ)
    try:
        uvloop.run(_serve(address, model, child=child))
    except StartupError as error:
        parser.error(str(error))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m speech_gateway.embedded",
        description="StreamKit's API on Whisper, a natural voice and espeak-ng.",
    )
    parser.add_argument("--listen", default="127.0.0.1:4545", help="host:port or unix:/path")
    parser.add_argument(
        "--stt-model",
        type=Path,
        metavar="DIR",
        help="the folder of a CTranslate2 Whisper model, in place of the packaged one",
    )
    parser.add_argument(
        "--child",
        type=Path,
        metavar="FOLDER",
        help="end when standard input does, and remove FOLDER with all in it",
    )
    return parser


async def _serve(address: ListenAddress, model: Path | None, *, child: bool) -> None:
    from .routes import create_app  # noqa: PLC0415 - its parts may be missing, which main tells

    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        loading = asyncio.create_task(asyncio.to_thread(_ears, model))  # while workers prepare
        listener = await listen(create_app(loading), address, Bounds(), stack)
        # Only now: one that has not begun to serve may end at once.
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        if child:
            sys.stdout.buffer.write(READY)
            sys.stdout.buffer.flush()
        else:
            log.info("the engine serves on %s", listener.urls[0])
        await stop.wait()


def _ears(folder: Path | None) -> "Ears | None":
    """Load the model in folder; raises StartupError."""
    from .hearing.whisper_model import ModelError, Whisper  # noqa: PLC0415 - as above
    from .routes import Ears  # noqa: PLC0415 - as above

    if folder is None:
        log.warning("there is no model to hear with; --stt-model DIR names one")
        return None
    at_once = cores()
    try:
        return Ears(Whisper(folder, at_once=at_once), folder, at_once)
    except ModelError as error:
        raise StartupError(f"--stt-model {error}") from error


def _end_with_parent(folder: Path) -> None:
    """End the process when standard input ends, which happens however the parent ends."""
    while os.read(0, 1):
        pass
    for _ in range(REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)  # at once: there is nobody left to answer


if __name__ == "__main__":
    sys.exit(main())
