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

import uvloop

from .. import logs, standard_streams
from ..config import parsers
from ..config.addresses import ListenAddress
from ..errors import StartupError
from ..server.listeners import Bounds, listen
from .launcher import READY, missing_parts

REMOVALS = 3
"""The folder is emptied more than once, as a socket may be created meanwhile."""


def main() -> int:
    """Run the engine until SIGTERM, SIGINT, or the end of the gateway that started it."""
    standard_streams.ensure_open()
    parser = argparse.ArgumentParser(
        prog="python -m speech_gateway.embedded",
        description="StreamKit's API on espeak-ng and PocketSphinx, to develop against.",
    )
    parser.add_argument("--listen", default="127.0.0.1:4545", help="host:port or unix:/path")
    parser.add_argument(
        "--child",
        type=Path,
        metavar="FOLDER",
        help="end when standard input does, and remove FOLDER with all in it",
    )
    arguments = parser.parse_args()
    if missing := missing_parts():
        parser.error(f"{', '.join(missing)} is missing; install speech-gateway[embedded]")
    try:
        address = parsers.listen_address(arguments.listen)
    except ValueError as error:
        parser.error(f"--listen {error}")
    child = arguments.child is not None
    if child:  # before what takes its time
        threading.Thread(target=_end_with_parent, args=[arguments.child], daemon=True).start()
    logs.set_up("text", "info", os.environ)
    try:
        uvloop.run(_serve(address, child=child))
    except StartupError as error:
        parser.error(str(error))
    return 0


async def _serve(address: ListenAddress, *, child: bool) -> None:
    from .routes import create_app  # noqa: PLC0415 - its parts may be missing, which main tells

    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        listener = await listen(create_app(os.cpu_count() or 1), address, Bounds(), stack)
        # Only now: one that has not begun to serve may end at once.
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        if child:
            sys.stdout.buffer.write(READY)
            sys.stdout.buffer.flush()
        else:
            logging.getLogger(__name__).info("the engine serves on %s", listener.urls[0])
        await stop.wait()


def _end_with_parent(folder: Path) -> None:
    """End the process when standard input ends, which happens however the parent ends."""
    while os.read(0, 1):
        pass
    for _ in range(REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)  # at once: there is nobody left to answer


if __name__ == "__main__":
    sys.exit(main())
