"""One process, measured whole: hides clocks, resource usage and how memory is watched while it runs."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SAMPLE_S: Final = 0.02
_KEPT: Final = 2000
"""Samples of one process; when there are more, every second one goes and they are taken half as often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one process took, start-up included."""

    seconds: float
    cpu_s: float
    """User and system, of all its threads and the children it waited for."""
    peak_mb: float
    """Resident, of the process itself."""
    samples: list[tuple[float, float]]
    """Seconds since its start, and megabytes resident."""


class ToolError(Exception):
    """The program ended with an error, or took too long; says what it printed last."""


class _Watch(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._status = Path(f"/proc/{pid}/status")
        self._ended = threading.Event()
        self._began = time.monotonic()
        self.samples: list[tuple[float, float]] = []
        self.peak_mb = 0.0

    def run(self) -> None:
        pause = _SAMPLE_S
        while not self._ended.wait(pause):
            with suppress(OSError, ValueError, KeyError):  # the process is ending, or this system has no /proc
                said = dict(line.split(":", 1) for line in self._status.read_text().splitlines())
                self.peak_mb = int(said["VmHWM"].split()[0]) / 1024
                self.samples.append((time.monotonic() - self._began, int(said["VmRSS"].split()[0]) / 1024))
            if len(self.samples) > _KEPT:
                self.samples, pause = self.samples[::2], pause * 2

    def end(self) -> None:
        self._ended.set()
        self.join()


def run_measured(
    command: Sequence[str], *, environment: Mapping[str, str], folder: Path, printed: Path, timeout_s: float
) -> Usage:
    """Run to the end, standard output into the file `printed`. Raises ToolError."""
    errors = folder / "errors"
    with printed.open("wb") as output, errors.open("wb") as said:
        began = time.monotonic()
        child = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=said
        )
        watch = _Watch(child.pid)
        watch.start()
        late = threading.Timer(timeout_s, child.kill)
        late.start()
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
        late.cancel()
        watch.end()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        tail = errors.read_text(errors="replace")[-2000:]
        raise ToolError(f"{command[0]} ended with {child.returncode} after {seconds:.0f} s: {tail}")
    return Usage(
        seconds=seconds,
        cpu_s=used.ru_utime + used.ru_stime,
        peak_mb=watch.peak_mb or used.ru_maxrss / 1024,
        samples=watch.samples,
    )
