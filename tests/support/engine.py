"""The bundled engine alone, as whoever develops against StreamKit's API starts it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SERVES = re.compile(r"the engine serves on http://127.0.0.1:(\d+)")


@dataclass(frozen=True)
class StandaloneEngine:
    """An engine that serves on loopback."""

    port: int
    log: str
    """What it said before it served."""
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    @contextmanager
    def started(cls, *flags: str, **environ: str) -> Iterator["StandaloneEngine"]:
        """Run the engine until the block ends."""
        process = subprocess.Popen(
            [sys.executable, "-m", "speech_gateway.embedded", "--listen", "127.0.0.1:0", *flags],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environ},
        )
        with process:
            assert process.stderr is not None
            try:
                log = ""
                while not (match := SERVES.search(log)):
                    line = process.stderr.readline()
                    assert line, log
                    log += line
                yield cls(int(match[1]), log, process.pid)
            finally:
                process.terminate()
                process.stderr.read()
