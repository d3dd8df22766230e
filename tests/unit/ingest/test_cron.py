"""When schedules are due: zones, summer time, what is no cron line, what never comes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ScheduleError
from ingest.cron import Cron


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def due(cron: Cron, since: str, times: int) -> list[str]:
    found, at = [], ms(since)
    for _ in range(times):
        at = cron.after(at)
        found.append(datetime.fromtimestamp(at / 1000, UTC).strftime("%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("line", "zone", "since", "times"),
    [
        ("0 * * * *", "UTC", "2026-01-01T00:00:00", ["01-01 01:00", "01-01 02:00"]),
        ("30 6 * * MON-FRI", "Europe/Berlin", "2026-01-02T12:00:00", ["01-05 05:30", "01-06 05:30"]),
        # 29 March 2026, 01:00 UTC: from 02:00 to 03:00 in Berlin
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        ("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00", ["03-29 00:30", "03-29 01:00", "03-29 01:30"]),
        # 25 October 2026, 01:00 UTC: from 03:00 back to 02:00
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00", ["10-25 00:30", "10-26 01:30"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:15:00", ["10-26 01:30"]),  # in the hour that comes again
        ("30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00", ["10-25 00:30", "10-25 01:30", "10-25 02:30"]),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00", ["02-29 00:00"]),
    ],
)
def test_times_come_by_the_clock_of_their_zone(line: str, zone: str, since: str, times: list[str]) -> None:
    assert due(Cron.read(line, zone), since, len(times)) == times


@pytest.mark.parametrize(
    ("line", "zone", "said"),
    [
        ("", "UTC", "0 fields"),
        ("* * * *", "UTC", "needs five"),
        ("0 0 * * * *", "UTC", "6 fields"),
        ("61 * * * *", "UTC", r"minute '61' does not exist \(0 to 59\)"),
        ("0,5-99/7 * * * *", "UTC", r"minute '99' does not exist \(0 to 59\)"),
        ("0 0 32 * *", "UTC", r"day of month '32' does not exist \(1 to 31\)"),
        ("*/0 * * * *", "UTC", r"minute '\*/0' can't be read"),
        ("@daily", "UTC", r"write '0 0 \* \* \*'"),
        ("@reboot", "UTC", "1 field and"),
        ("* * * * nope", "UTC", "day of week 'nope' can't be read"),
        ("0 0 30 2 *", "UTC", "no date is day '30' of the month '2' on weekday .*; it would never run"),
        ("0 0 31 4,6 *", "UTC", "it would never run"),
        ("0 0 */40 * MON#2", "UTC", "it would never run"),  # the first of a month as its second Monday
        ("* * * * *", "Europe/Berlni", "did you mean Europe/Berlin"),
        ("* * * * *", "", "no time zone"),
        ("* * * * *", "../../etc/passwd", "no time zone"),
        ("* * * * *", "Europe", "no time zone"),
        ("* " * 200, "UTC", "more than 200"),
    ],
)
def test_what_can_not_be_used_says_what_and_what_to_write(line: str, zone: str, said: str) -> None:
    with pytest.raises(ScheduleError, match=said):
        Cron.read(line, zone)


FIELDS = st.tuples(
    st.sampled_from(["*", "*/7", "0", "30", "5,35"]),
    st.sampled_from(["*", "*/5", "2", "0-3"]),
    st.sampled_from(["*", "1", "L", "28-31"]),
    st.sampled_from(["*", "3", "10", "*/2"]),
    st.sampled_from(["*", "SUN", "1-5"]),
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])


@given(FIELDS, ZONES, st.integers(0, 4_000_000_000_000))
def test_the_next_time_is_always_ahead_and_on_a_minute(fields: tuple[str, ...], zone: str, since: int) -> None:
    cron = Cron.read(" ".join(fields), zone)
    first = cron.after(since)
    assert since < first < cron.after(first)
    assert first % 60_000 == 0
    assert cron.passed(first, first, most=9) == 1
    assert cron.passed(first, cron.after(first), most=9) == 2
    assert cron.passed(first, cron.after(first), most=1) == 1
