"""What credentials tell whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionServed:
    """A caller got a session, or an error."""

    connection: str
    how: Literal["hit", "miss", "stale", "refused"]
    """hit: from the cache; miss: waited for STS; stale: past its refresh window because STS is down; refused: remembered refusal."""
    usable_s: float | None
    """Seconds that it stays usable; None for long-lived keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRefreshed:
    """STS was asked once (its own retries inside)."""

    connection: str
    session_name: str
    """Carries the run."""
    outcome: str
    """`ok`, or the code of the error."""
    seconds: float


Event = SessionServed | SessionRefreshed
Observe = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """An observer that looks away."""
