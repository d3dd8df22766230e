"""The arithmetic of a session's life."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credentials.windows import (
    Life,
    advisory_s,
    doubling_s,
    longest_promise_s,
    mandatory_s,
    rest_while_served_s,
)

lives = st.floats(1, 43_200)
chances = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("life", "advisory", "mandatory"),
    [
        (60, 20, 10),
        (90, 30, 15),
        (360, 120, 60),
        (899, 899 / 3, 60),
        (900, 300, 60),
        (1200, 300, 60),
        (1201, 900, 60),
        (3600, 900, 60),
        (5399, 900, 60),
        (5400, 3600, 60),
        (43200, 3600, 60),
        (30, 10, 5),
        (12, 4, 4),
    ],
)
def test_windows(life: float, advisory: float, mandatory: float) -> None:
    """AWS's table from 900 s upwards, thirds and sixths below."""
    assert (advisory_s(life), mandatory_s(life)) == (advisory, mandatory)


@given(seconds=lives, chance=chances)
def test_the_marks_of_a_life_come_in_order(seconds: float, chance: float) -> None:
    """Advisory before mandatory before the end; a fresh session is always in neither window."""
    life = Life.of(start=100.0, seconds=seconds, random=lambda: chance)
    assert 100.0 < life.refresh_at <= life.must_at < life.end == 100.0 + seconds
    assert life.refresh_at > 100.0 + seconds / 5
    assert 0 < longest_promise_s(seconds) < seconds


@given(remaining=st.floats(0, 43_200), chance=chances)
def test_a_rest_ends_while_the_old_session_serves(remaining: float, chance: float) -> None:
    """So there is another question before the end, unless that is a second or two away."""
    rest = rest_while_served_s(remaining, lambda: chance)
    assert 1.0 <= rest <= max(1.0, min(300.0, remaining / 3))


def test_doubling() -> None:
    """From the first pause to the longest, without ever overflowing."""
    assert [doubling_s(n, first=5, most=60) for n in (1, 2, 3, 4, 5, 10_000)] == [5, 10, 20, 40, 60, 60]
