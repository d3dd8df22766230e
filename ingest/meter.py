"""What a slice spends: requests by class, and bytes, taken from the events as they pass."""

from __future__ import annotations

from collections import Counter

from ingest.catalog.shards import Usage
from ingest.events import NEVER_SENT, Event, Observe, RequestMade


class Meter:
    """An observer that counts requests and passes everything on."""

    def __init__(self, onward: Observe) -> None:
        self._onward = onward
        self._spent: Counter[str] = Counter()

    def __call__(self, event: Event) -> None:
        if isinstance(event, RequestMade) and event.outcome not in NEVER_SENT:
            self._spent[event.request] += 1
            self._spent["bytes"] += event.bytes_read
        self._onward(event)

    def sts_asked(self) -> None:
        """A session was asked for."""
        self._spent["sts"] += 1

    def take(self) -> Usage:
        """What was spent since the last call."""
        spent, self._spent = self._spent, Counter()
        return Usage(**spent)
