"""How many requests one bucket takes, per second and at once: hides windows, cuts and growth. Knows no loop and no clock.

Without refusals there is no rate. A refusal that is more than noise sets one, a little below what was answered well; from there
it grows as CUBIC does (RFC 9438): flat around what was last refused, ever faster the longer nothing is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from config.limits import Limits

Verdict = Literal["ok", "throttled", "failed"]
"""`throttled`: 503 or 429. `failed`: another 5xx. `ok`: any other answer, a 404 too: the storage had the time to give it."""

_WINDOW_S: Final = 0.25
"""At least this long is measured: a server's bucket that fills in 0.1 s would make less look like far more than it gives."""
_WINDOW_MOST_S: Final = 5.0
_ANSWERS: Final = 10
"""A window is not closed with fewer, so that two refusals in a row are also seen at a few requests per second."""
_NOISE: Final = 0.01
"""Share of 503s that S3 gives now and then, whatever is asked of it,"""
_ACCIDENTS: Final = 0.05
"""... and of other 5xx. More than this, and than chance makes of it, is meant."""
_FUTILE: Final = 3
"""After so many cuts in a row at a rate that was already below the limit, refusals have nothing to do with it: they are noise."""
_BELOW: Final = 0.05
"""How far below the measured limit a cut goes: enough for the server's bucket to fill again, little enough not to be missed."""
_CURVE: Final = 12.5
"""Growth by the cube of time, requests/s per s^3, the same for all who share a limit: so the small ones catch up with the large.
At 2,000/s it takes 2 s from a cut back to the limit, 4 s to exceed it by 5 %, and 9 s to double."""
_KNEE_S: Final = 1.5
"""Least time back to the limit, so that a small one is not exceeded all the time."""
_OUTAGE: Final = 0.95
"""Share of refusals from which what was answered well is no measure of anything."""
_SEARCH: Final = 1.5
"""Growth per window while the limit has not been measured."""
_USED: Final = 0.8
"""Share of the rate that must have been used for it to grow."""
QUIET_S: Final = 60.0
"""Without a cut for so long the rate is forgotten. Learning it again costs some hundred refusals."""

_MORE: Final = 1.25
"""Growth of the places per window."""
_LENGTHENED: Final = 1.5
"""Answers that take this many times as long as at best: no more places. A queue of half the work in service loses no throughput."""
_INFLATED: Final = 2.0
"""From here places are taken away."""


@dataclass(slots=True)
class _Window:
    began: float
    ok: int = 0
    throttled: int = 0
    failed: int = 0
    """Refusals count only if they were asked for after the last cut."""
    seconds: float = 0.0
    """Time of the good answers, together."""
    paced: bool = False
    """Somebody waited for the rate."""
    crowded: bool = False
    """All places were taken."""


class Pace:
    """Is told every answer, and says what may be sent: `rate` per second, if not None, and `places` in flight."""

    def __init__(self, limits: Limits, *, now: float) -> None:
        self.rate: float | None = None
        self.places = limits.gate_first
        self._first = limits.gate_first
        self._most = max(limits.gate_most, limits.gate_first)
        self._floor = limits.gate_slowest
        self._window = _Window(now)
        self._before: _Window | None = None
        self._closes_at = now + _WINDOW_S
        self._heard_at = now
        self._cut_at = float("-inf")
        self._deaf_until = float("-inf")
        self._futile = 0
        """Cuts in a row below the limit."""
        self._below = [0, 0]
        """Answers and refusals below the limit, since the last cut above it."""
        self._limit: float | None = None
        """Per second, where it was measured."""
        self._grown_s = 0.0
        """Time since the cut in which the rate was used."""
        self._best_s: float | None = None
        self._shrunk: tuple[int, float] | None = None
        """Places before they were taken away, and how long answers took then."""

    def paced(self) -> None:
        """Somebody waits for the rate."""
        self._window.paced = True

    def crowded(self) -> None:
        """All places are taken."""
        self._window.crowded = True

    def saw(self, verdict: Verdict, *, admitted: float, seconds: float, now: float) -> bool:
        """An answer came, `seconds` after it was asked for. Whether the rate or the places changed."""
        lull = now - self._heard_at
        self._heard_at = now
        if lull > _WINDOW_S:  # nothing was asked for meanwhile: that time says nothing of what may be
            self._window.began += lull
            self._closes_at += lull
        changed = now >= self._closes_at and self._close(now)
        window = self._window
        if verdict == "ok":
            window.ok += 1
            window.seconds += seconds
        elif admitted > self._cut_at:  # what was sent before the cut says nothing of it
            if verdict == "throttled":
                window.throttled += 1
            else:
                window.failed += 1
            if now >= self._deaf_until and self._is_refused():
                self._cut(now)
                return True
        return changed

    def quiet_for(self, now: float) -> float:
        """Seconds since the last cut."""
        return now - self._cut_at

    def forget(self) -> None:
        """There is no rate any more."""
        self.rate = self._limit = None
        self._futile, self._below = 0, [0, 0]

    def _is_refused(self) -> bool:
        """More than chance makes of noise, in this window and the one before."""
        answers, throttled, failed = self._counts()
        noise = self._noise()
        return _exceeds(throttled, answers * max(_NOISE, noise)) or _exceeds(failed, answers * max(_ACCIDENTS, noise))

    def _counts(self) -> tuple[int, int, int]:
        windows = (self._window,) if self._before is None else (self._before, self._window)
        throttled, failed = sum(w.throttled for w in windows), sum(w.failed for w in windows)
        return throttled + failed + sum(w.ok for w in windows), throttled, failed

    def _noise(self) -> float:
        """Share of refusals that no cut has changed."""
        return self._below[1] / self._below[0] if self._futile >= _FUTILE else 0.0

    def _is_below(self) -> bool:
        return self.rate is not None and self._limit is not None and self.rate < self._limit

    def _cut(self, now: float) -> None:
        answers, throttled, failed = self._counts()
        refused = throttled + failed
        if self._is_below():
            self._count_below()
            self._futile += 1
        else:
            self._futile, self._below = 0, [0, 0]
        began = self._window.began if self._before is None else self._before.began
        measured_s = max(now - began, _WINDOW_S)
        given = (answers - refused) / measured_s
        if self.rate is not None:
            given = min(given, self.rate)
        # Less than a window at the very beginning, or an outage: what was given is a lower bound, to search up from.
        known = now - began >= _WINDOW_S and refused < _OUTAGE * answers
        self._limit = max(given, self._floor) if known else None
        self.rate = max(given * (1 - _BELOW), self._floor)
        self._grown_s = 0.0
        self._cut_at = now
        self._deaf_until = now + _WINDOW_S
        self._before = None
        self._open(now)

    def _count_below(self) -> None:
        window = self._window
        refused = window.throttled + window.failed
        self._below[0] += window.ok + refused
        self._below[1] += refused

    def _close(self, now: float) -> bool:
        window = self._window
        answers = window.ok + window.throttled + window.failed
        lasted_s = now - window.began
        if answers < _ANSWERS and lasted_s < _WINDOW_MOST_S:
            return False
        refused = self._is_refused()
        if self._is_below():
            self._count_below()
        before = self.rate, self.places
        if self.rate is not None and window.paced and answers >= _USED * self.rate * lasted_s:
            self._grow(lasted_s)
        if window.ok and window.crowded and not refused:
            self._resize(window.seconds / window.ok)
        self._before = window
        self._open(now)
        return before != (self.rate, self.places)

    def _open(self, now: float) -> None:
        self._window = _Window(now)
        self._closes_at = now + _WINDOW_S

    def _grow(self, used_s: float) -> None:
        assert self.rate is not None
        if self._limit is None:
            self.rate *= _SEARCH
            return
        self._grown_s += used_s
        knee_s = max(_KNEE_S, (_BELOW * self._limit / _CURVE) ** (1 / 3))
        self.rate = max(self._limit * (1 + _BELOW * (self._grown_s / knee_s - 1) ** 3), self._floor)

    def _resize(self, took_s: float) -> None:
        """Everybody waits for a place: more of them, unless answers take longer and longer."""
        if self._best_s is None or took_s < self._best_s:
            self._best_s = took_s
        shrunk = self._shrunk
        if took_s <= _LENGTHENED * self._best_s:
            self.places, self._shrunk = min(int(self.places * _MORE) + 1, self._most), None
        elif shrunk is not None and took_s > 0.9 * shrunk[1]:  # it was not our queue that made them slow
            self.places, self._best_s, self._shrunk = shrunk[0], took_s, None
        elif took_s > _INFLATED * self._best_s and self.places > self._first:
            self._shrunk = self.places, took_s
            self.places = max(int(self.places * _LENGTHENED * self._best_s / took_s), self._first)


def _exceeds(count: int, expected: float) -> bool:
    """More than chance makes of what was expected: three times the deviation of a Poisson process."""
    return count >= 2 + expected + 3 * math.sqrt(expected)
