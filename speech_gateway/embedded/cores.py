"""How many cores this process may use."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup/cpu.max")
"""A container's share of the machine: microseconds, and of how many (cgroups(7), version 2)."""


def cores(cgroup: Path = CGROUP) -> int:
    """Return the cores that this process may run on, or as many as its share makes up."""
    allowed = len(os.sched_getaffinity(0))
    try:
        share, period = cgroup.read_text().split()
        return max(1, min(allowed, math.ceil(int(share) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):  # no limit is the word max
        return allowed
