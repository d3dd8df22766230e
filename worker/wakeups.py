"""Signals as something to wait for: hides Python's handlers, and that a signal between a look and a wait would be missed."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Sequence
from types import FrameType
from typing import Any, Self


class Wakeups:
    """While open, these signals end `wait`, and do nothing else. For the main thread only."""

    def __init__(self, numbers: Sequence[signal.Signals]) -> None:
        self._numbers = numbers
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._former = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _heard) for number in self._numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._former)
        os.close(self._read)
        os.close(self._write)

    def wait(self, seconds: float | None) -> list[int]:
        """Wait for a signal, at most `seconds` (None: for ever). Returns the signals since the last time, in order."""
        select.select([self._read], [], [], seconds)
        try:
            return list(os.read(self._read, 4096))
        except BlockingIOError:
            return []


def _heard(_number: int, _frame: FrameType | None) -> None:
    """That there is a handler makes Python write the number to the pipe."""
