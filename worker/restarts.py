"""When a process that died is started again: hides how the pause grows for one that dies young, and that it is forgiven later."""

from __future__ import annotations

from typing import Protocol

from config.limits import Limits


class Monotonic(Protocol):
    """The clock of `Restarts`: seconds that never jump."""

    def monotonic(self) -> float: ...


class Restarts:
    """The lives of one process after another in the same place. Decides, and starts nothing."""

    def __init__(self, *, clock: Monotonic, limits: Limits) -> None:
        self._clock, self._limits = clock, limits
        self._pause_s = limits.restart_first_s
        self._began = clock.monotonic()
        self._due: float | None = self._began
        self._lives = 0

    @property
    def wait_s(self) -> float | None:
        """How long to wait until the next start, 0 if it is due; None while a process lives."""
        return None if self._due is None else max(0.0, self._due - self._clock.monotonic())

    @property
    def lived_s(self) -> float:
        """The age of the present life."""
        return self._clock.monotonic() - self._began

    @property
    def starting(self) -> bool:
        """Whether it is the first life, and so young that whatever ended it would have ended any process that is started now."""
        return self._lives == 1 and self.lived_s < self._limits.steady_s

    def started(self) -> None:
        self._began, self._due = self._clock.monotonic(), None
        self._lives += 1

    def ended(self) -> float:
        """Returns the pause before the next start, in seconds: the first pause after a long life, else twice the last one."""
        if self.lived_s >= self._limits.steady_s:
            self._pause_s = self._limits.restart_first_s
        pause_s = min(self._pause_s, self._limits.restart_most_s)
        self._due = self._clock.monotonic() + pause_s
        self._pause_s = 2 * pause_s
        return pause_s
