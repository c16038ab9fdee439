"""The system calls that a worker may make (seccomp(2)); all others fail with EPERM.

A worker reads, writes and allocates memory. It opens no socket, starts no process, signals nobody,
makes no memory executable, and opens a file at most to read it, where its jobs do that. libseccomp
knows the numbers of the calls on each processor; Debian has it installed, as apt needs it.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import resource

LIBRARY = "libseccomp.so.2"

_ALLOW = 0x7FFF0000
_FAIL_WITH_EPERM = 0x00050000 | errno.EPERM
_EQUAL, _MASKED_EQUAL = 4, 7  # enum scmp_compare

_ALLOWED = (
    *("read", "readv", "pread64", "write", "writev", "pwrite64", "lseek", "close"),
    *("stat", "lstat", "fstat", "newfstatat", "ftruncate", "fadvise64"),
    *("recvfrom", "recvmsg", "sendto", "sendmsg", "shutdown", "getsockname", "getsockopt"),
    *("brk", "munmap", "mremap", "madvise", "futex", "sched_yield"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall"),
    *("clock_gettime", "clock_nanosleep", "nanosleep", "gettimeofday", "getrandom"),
    *("getpid", "gettid", "getrusage", "exit", "exit_group"),
)
_TO_POLL = ("epoll_ctl", "epoll_wait", "epoll_pwait", "ioctl")
"""Ioctl makes a socket non-blocking."""
_PROTECTION_ARGUMENT = 2
_NOT_EXECUTABLE = ("mmap", "mprotect")
_TO_READ = (2, _MASKED_EQUAL, os.O_ACCMODE | os.O_CREAT | os.O_TRUNC | os.O_APPEND, os.O_RDONLY)
"""The third argument of openat(2)."""
_DUPLICATE = (1, _EQUAL, fcntl.F_DUPFD_CLOEXEC, 0)
"""The second argument of fcntl(2): a memory map holds a copy of its file's descriptor."""
_OWN_PROCESSOR_TIME = ((0, _EQUAL, 0, 0), (1, _EQUAL, resource.RLIMIT_CPU, 0))
"""The first two arguments of prlimit64(2): its own process, and the limit."""


class _Comparison(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


class FilterError(Exception):
    """The filter cannot be made or installed; the message says why."""


class SyscallFilter:
    """The filter, made once and installed in each worker."""

    def __init__(self, *, reads_files: bool, polls: bool) -> None:
        """Make the filter, for who reads files or polls many sockets or not; raises FilterError."""
        try:
            library = ctypes.CDLL(LIBRARY)
        except OSError:
            raise FilterError(f"{LIBRARY} is not installed") from None
        self._instructions = _compiled(library, reads_files=reads_files, polls=polls)
        size = 8  # bytes of struct sock_filter
        self._program = _Program(len(self._instructions) // size, self._instructions)

    def install(self) -> None:
        """Bind this process to it, for ever; no_new_privs must be set. Raises FilterError."""
        set_seccomp, mode_filter = 22, 2  # prctl(2)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(set_seccomp, mode_filter, ctypes.byref(self._program), 0, 0) != 0:
            raise FilterError(os.strerror(ctypes.get_errno()))


def _compiled(library: ctypes.CDLL, *, reads_files: bool, polls: bool) -> bytes:
    """Return the filter as the kernel takes it."""
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(_FAIL_WITH_EPERM))
    for name in (*_ALLOWED, *(_TO_POLL if polls else ())):
        _allow(library, context, name)
    for name in _NOT_EXECUTABLE:
        _allow(library, context, name, (_PROTECTION_ARGUMENT, _MASKED_EQUAL, mmap.PROT_EXEC, 0))
    if reads_files:
        _allow(library, context, "openat", _TO_READ)
    _allow(library, context, "fcntl", _DUPLICATE)
    _allow(library, context, "prlimit64", *_OWN_PROCESSOR_TIME)
    with os.fdopen(os.memfd_create("filter"), "w+b") as file:
        if library.seccomp_export_bpf(context, file.fileno()) != 0:
            raise FilterError("libseccomp does not export the filter")
        library.seccomp_release(context)
        file.seek(0)
        return file.read()


def _allow(
    library: ctypes.CDLL,
    context: ctypes.c_void_p,
    name: str,
    *comparisons: tuple[int, int, int, int],
) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    compared = (_Comparison * len(comparisons))(*(_Comparison(*each) for each in comparisons))
    allowed = ctypes.c_uint32(_ALLOW)
    code = library.seccomp_rule_add_array(context, allowed, number, len(comparisons), compared)
    if code != 0:
        raise FilterError(f"libseccomp does not allow {name}: {os.strerror(-code)}")
