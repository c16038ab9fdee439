"""Files that a worker may open: none, or those in one folder, to be read (landlock(7)).

Linux has it from 5.13 on, where it is compiled in and not forbidden by a sandbox around this one.
"""

import ctypes
import os
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""Numbers of the system calls, the same on all processors; glibc has no functions for them."""
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_ALL_OF_VERSION_1 = (1 << 13) - 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr, as version 1 has it."""

    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _PathBeneath(ctypes.Structure):
    """struct landlock_path_beneath_attr."""

    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def is_available() -> bool:
    """Return whether this kernel has it, and lets it be used."""
    return _call(_CREATE_RULESET, None, 0, _VERSION_FLAG) >= 1


def restrict_files(readable: Path | None) -> None:
    """Let this process open no file any more, but those in readable; no_new_privs must be set.

    Raises:
        OSError: it cannot be done.
    """
    ruleset = _Ruleset(_ALL_OF_VERSION_1)
    rules = _checked(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.sizeof(ruleset), 0)
    try:
        if readable is not None:
            folder = os.open(readable, os.O_PATH | os.O_CLOEXEC)
            beneath = _PathBeneath(_READ_FILE | _READ_DIR, folder)
            _checked(_ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(beneath), 0)
            os.close(folder)
        _checked(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _call(number: int, *arguments: object) -> int:
    result: int = ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)
    return result


def _checked(number: int, *arguments: object) -> int:
    result = _call(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
