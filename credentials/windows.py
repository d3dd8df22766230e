"""Hides the arithmetic of a session's life: when to renew it in the background, when to insist, how long to rest.

The windows follow the refresh behaviour that AWS's SDKs share since 2026 (aws-sdk-go-v2, `aws/credential_cache.go`), which knows
no life below 900 s; those below scale down, so that a session of 60 s costs one STS call in about 40 s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

STS_LEAST_S = 900
"""STS issues no shorter session (AssumeRole, DurationSeconds)."""
LEAST_LIFE_S = 1.0
"""A session that can be used for less than this counts as ended."""

Random = Callable[[], float]
"""Uniform in [0, 1)."""


def advisory_s(life_s: float) -> float:
    """How long before its end a session of `life_s` seconds is renewed in the background."""
    if life_s < STS_LEAST_S:
        return min(300.0, life_s / 3)
    if life_s <= 20 * 60:
        return 5 * 60.0
    return 15 * 60.0 if life_s < 90 * 60 else 60 * 60.0


def mandatory_s(life_s: float) -> float:
    """How long before its end callers wait for a new session rather than take the old one."""
    window = 60.0 if life_s >= STS_LEAST_S else max(5.0, min(60.0, life_s / 6))
    return min(window, advisory_s(life_s))


def longest_promise_s(life_s: float) -> float:
    """The most that any caller can be promised to have left of a session of `life_s` seconds.

    Who asks for the whole life would need a new session for every request; less the mandatory window, it is one per window.
    """
    return life_s - mandatory_s(life_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The marks in one session's life, in seconds on the monotonic clock."""

    start: float
    refresh_at: float
    must_at: float
    end: float

    @classmethod
    def of(cls, *, start: float, seconds: float, random: Random) -> Life:
        """The advisory mark comes up to a tenth early, at random, so that many workers do not march in step."""
        refresh = (seconds - advisory_s(seconds)) * (1 - 0.1 * random())
        must = seconds - mandatory_s(seconds)
        return cls(start=start, refresh_at=start + refresh, must_at=start + must, end=start + seconds)


def rest_while_served_s(remaining_s: float, random: Random) -> float:
    """The pause after a failed refresh while the old session still serves: shrinks with what is left of it."""
    return max(1.0, (0.5 + 0.5 * random()) * min(300.0, remaining_s / 3))


def doubling_s(failures: int, *, first: float, most: float) -> float:
    """The pause after the n-th failure in a row: `first`, twice that, ... up to `most`."""
    return min(most, first * 2.0 ** min(failures - 1, 30))
