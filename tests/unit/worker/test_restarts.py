"""How long a place waits for its next process, by a clock that is turned by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.limits import Limits
from tests.fakes.clock import ManualClock
from worker.restarts import Restarts

LIMITS = Limits(restart_first_s=0.5, restart_most_s=30, steady_s=60)


def live(restarts: Restarts, clock: ManualClock, seconds: float) -> float:
    """Wait until a start is due, start, live so long and end; the pause that follows."""
    wait_s = restarts.wait_s
    assert wait_s is not None
    clock.advance(wait_s)
    assert restarts.wait_s == pytest.approx(0)
    restarts.started()
    clock.advance(seconds)
    return restarts.ended()


def test_the_first_start_is_due_at_once_and_none_while_a_process_lives() -> None:
    restarts = Restarts(clock=ManualClock(), limits=LIMITS)
    waits = [restarts.wait_s]
    restarts.started()
    assert [*waits, restarts.wait_s] == [0, None]


def test_one_that_dies_young_waits_longer_each_time_up_to_a_bound() -> None:
    clock = ManualClock()
    restarts = Restarts(clock=clock, limits=LIMITS)
    assert [live(restarts, clock, 1) for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_long_life_is_followed_by_the_first_pause_again() -> None:
    clock = ManualClock()
    restarts = Restarts(clock=clock, limits=LIMITS)
    assert [live(restarts, clock, seconds) for seconds in (1, 1, 1, 59.9, 60, 1)] == [0.5, 1, 2, 4, 0.5, 1]


def test_the_wait_shrinks_as_time_passes_and_is_over_at_its_end() -> None:
    clock = ManualClock()
    restarts = Restarts(clock=clock, limits=LIMITS)
    live(restarts, clock, 1)
    clock.advance(0.2)
    assert restarts.wait_s == pytest.approx(0.3)
    clock.advance(5)
    assert restarts.wait_s == 0


def test_only_the_beginning_of_the_first_life_is_the_start() -> None:
    clock = ManualClock()
    restarts = Restarts(clock=clock, limits=LIMITS)
    told = [restarts.starting]
    restarts.started()
    told.append(restarts.starting)
    clock.advance(60)
    told.append(restarts.starting)
    restarts.ended()
    restarts.started()
    assert [*told, restarts.starting] == [False, True, False, False]


@given(
    first=st.floats(0.01, 50),
    most=st.floats(0.01, 50),
    lives=st.lists(st.floats(0, 200), max_size=40),
)
def test_a_pause_is_never_longer_than_the_bound_and_grows_only_by_doubling(
    first: float, most: float, lives: list[float]
) -> None:
    clock = ManualClock()
    restarts = Restarts(clock=clock, limits=Limits(restart_first_s=first, restart_most_s=most, steady_s=60))
    before = None
    for seconds in lives:
        pause = live(restarts, clock, seconds)
        assert 0 < pause <= most
        if restarts.lived_s >= 60 or before is None:
            assert pause == min(first, most)
        else:
            assert pause == min(2 * before, most)
        before = pause
