"""Jobs of media workers that do what no media does reliably."""

import mmap
import os
import resource
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from speech_gateway.media.audio_errors import BadAudioError
from speech_gateway.media.workers.frames import Kind
from speech_gateway.media.workers.work import Jobs, Work

TOO_LOUD = "it is too loud"


def shout(work: Work) -> None:
    """Write the input in capitals."""
    while piece := work.source.read(7):
        work.write(piece.upper(), 0)


def flood(work: Work) -> None:
    """Write for ever."""
    while True:
        work.write(bytes(1000), 0)


def swallow(work: Work) -> None:
    """Read all, then write how much it was."""
    size = 0
    while piece := work.source.read(65536):
        size += len(piece)
    work.write(str(size).encode(), 0)


def complain(work: Work) -> None:
    """Write something, then find the audio at fault."""
    work.write(b"some", 1.5)
    raise BadAudioError(TOO_LOUD)


def fail(work: Work) -> None:
    work.write(b"some", 0)
    raise KeyError("inside")


def allocate(work: Work) -> None:
    """Allocate memory until there is none."""
    held = []
    while True:
        held.append(bytearray(1 << 20))


def spin(work: Work) -> None:
    """Take processor time for ever."""
    while True:
        pass


def hang(work: Work) -> None:
    """Do nothing for ever."""
    while True:
        time.sleep(1)


def close_the_link(work: Work) -> None:
    """End the connection to the gateway, and live on."""
    os.closerange(3, 20)
    hang(work)


def pretend(work: Work) -> None:
    """Say that all is done, and live on."""
    work.source.finish(Kind.DONE, "")  # type: ignore[attr-defined]
    hang(work)


def crash(work: Work) -> None:
    """Die as a codec does."""
    os.abort()


def keep_on_disk(work: Work) -> None:
    """Keep the input on disk, and write it from there."""
    with work.open_spool() as file:
        while piece := work.source.read(65536):
            file.write(piece)
        file.seek(0)
        work.write(file.read(), 0)


def repeat_options(work: Work) -> None:
    work.write(repr(dict(work.options)).encode(), 0)


def try_to_escape(work: Work) -> None:
    """Write what a worker can do that it should not."""
    attempts: dict[str, Callable[[], object]] = {
        "open a file": lambda: os.close(os.open("/etc/passwd", os.O_RDONLY)),
        "make a file": lambda: os.close(os.open("/tmp", os.O_TMPFILE | os.O_WRONLY)),
        "list a folder": lambda: list(Path("/").iterdir()),
        "open a socket": lambda: socket.socket(socket.AF_INET).close(),
        "open a unix socket": lambda: socket.socket(socket.AF_UNIX).close(),
        "start a process": lambda: os.fork() or os._exit(0),
        "signal another process": lambda: os.kill(os.getppid(), 0),
        "have a thread": lambda: threading.Thread(target=print).start(),
        "make memory executable": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_EXEC),
        "have more memory": lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40)),
        "have more files": lambda: [os.dup(0) for _ in range(10)],
        "limit another process": lambda: resource.prlimit(
            os.getppid(), resource.RLIMIT_CPU, (1, 1)
        ),
        "know a variable of the environment": lambda: os.environ["TMPDIR"],
        "become another program": lambda: os.execv("/bin/true", ["true"]),  # the last that it does
    }
    for name, attempt in attempts.items():
        try:
            attempt()
        except (OSError, RuntimeError, KeyError, ValueError):
            continue
        work.write(f"{name}\n".encode(), 0)


def load() -> Jobs:
    """Return the jobs."""
    jobs = (
        *(shout, flood, swallow, complain, fail, allocate, spin, hang, crash, keep_on_disk),
        *(repeat_options, try_to_escape, close_the_link, pretend),
    )
    return Jobs({job.__name__: job for job in jobs})
