"""The bundled engine alone, as whoever develops against StreamKit's API starts it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class StandaloneEngine:
    """An engine that serves on loopback."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    @contextmanager
    def started(cls) -> Iterator["StandaloneEngine"]:
        """Run the engine until the block ends."""
        process = subprocess.Popen(
            [sys.executable, "-m", "speech_gateway.embedded", "--listen", "127.0.0.1:0"],
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stderr is not None
            try:
                line = process.stderr.readline()
                match = re.search(r"the engine serves on http://127.0.0.1:(\d+)", line)
                assert match, line
                yield cls(int(match[1]))
            finally:
                process.terminate()
                process.stderr.read()
