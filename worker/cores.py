"""How many cores this process may use: hides that a container sees all of its machine's."""

from __future__ import annotations

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(quota: Path = _QUOTA) -> int:
    """Cores that this process may run on, no more than its container's share of CPU time (cgroup v2) keeps busy; at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    try:
        share = quota_cores(quota.read_text())
    except OSError:
        share = None
    return cores if share is None else min(cores, share)


def quota_cores(text: str) -> int | None:
    """Cores that a `cpu.max` pays for (`QUOTA PERIOD` in microseconds), rounded up; None if it says `max` or nothing of use."""
    match text.split():
        case [quota, period] if quota.isdecimal() and period.isdecimal() and int(quota) and int(period):
            return math.ceil(int(quota) / int(period))
    return None
