"""What a worker may take: little memory and processor time, no file, no network, no process."""

import contextlib
import ctypes
import math
import os
import resource
import signal
from dataclasses import dataclass, replace
from pathlib import Path

from . import landlock
from .syscall_filter import FilterError, SyscallFilter
from .work import MAX_AUDIO_SECONDS

MEMORY_BYTES = 256 * 1024 * 1024
"""Address space that a worker may ask for beside what the codecs' code takes."""
PROCESSOR_SECONDS = 5
"""Processor time that a worker has at first."""
_SET_PARENT_DEATH_SIGNAL, _SET_NO_NEW_PRIVILEGES = 1, 38  # prctl(2)


class ProcessorTime:
    """The processor time of this process: the kernel ends it with SIGXCPU when it has taken all."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._most = PROCESSOR_SECONDS + math.ceil(MAX_AUDIO_SECONDS * rate)
        self._allowed = 0
        self.earn(0)

    def earn(self, audio_seconds: float) -> None:
        """Allow what the seconds of audio that came out by now stand for."""
        earned = PROCESSOR_SECONDS + int(audio_seconds * self._rate)
        if earned > self._allowed:  # at most once for each processor second
            self._allowed = min(earned, self._most)
            resource.setrlimit(resource.RLIMIT_CPU, (self._allowed, self._most))


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What workers are confined to."""

    most_fds: int = 16
    memory_bytes: int = MEMORY_BYTES
    """Address space that may be asked for beside what the code takes."""
    file_bytes: int = 0
    """The most that may be written to a file, which may be mapped into memory."""
    readable: Path | None = None
    """A folder whose files may be read."""
    polls: bool = False
    """Whether it waits for many sockets at once."""
    syscall_filter: SyscallFilter | None = None
    """None where there is none to be had; all else holds without it."""
    uses_landlock: bool = False

    def enter(self, parent: int) -> None:
        """Give up all that a worker does not need, for ever, and end with the process parent."""
        libc = ctypes.CDLL(None)
        libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before
            os._exit(0)
        libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        os.environ.clear()
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")  # the first that the kernel kills
        memory = _address_space() + self.memory_bytes + self.file_bytes
        if self.uses_landlock:
            landlock.restrict_files(self.readable)
        _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most_files == resource.RLIM_INFINITY:
            most_files = self.most_fds
        for limited, most in (
            (resource.RLIMIT_AS, memory),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, self.file_bytes),
            (resource.RLIMIT_NOFILE, min(self.most_fds, most_files)),
        ):
            resource.setrlimit(limited, (most, most))
        if self.syscall_filter is not None:
            self.syscall_filter.install()


def prepare(wanted: Sandbox) -> tuple[Sandbox, list[str]]:
    """Return wanted with what this machine can bound it by, and what it lacks, for people."""
    syscall_filter, lacks, readable = None, [], wanted.readable
    try:
        syscall_filter = SyscallFilter(reads_files=readable is not None, polls=wanted.polls)
    except FilterError as error:
        lacks.append(f"may make any system call ({error})")
    if syscall_filter is not None and not _can_enter(Sandbox(syscall_filter=syscall_filter)):
        lacks.append("may make any system call (the system lets no filter be installed)")
        syscall_filter = None
    uses_landlock = landlock.is_available() and _can_enter(Sandbox(uses_landlock=True))
    if not uses_landlock and (syscall_filter is None or readable is not None):
        lacks.append("may read any file (the kernel has no Landlock)")
    return replace(wanted, syscall_filter=syscall_filter, uses_landlock=uses_landlock), lacks


def _can_enter(sandbox: Sandbox) -> bool:
    """Return whether a process can enter a sandbox; tried with one."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            sandbox.enter(parent)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    return status == 0


def _address_space() -> int:
    """Return how many bytes of address space this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
