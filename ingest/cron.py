"""When a schedule is due: hides cron's own language, time zones, and hours that come twice or never. No clock of its own.

Summer time as Debian's cron has it: a time that a night leaves out comes when that gap ends, one that comes twice comes once; what
is to come every few minutes or hours just goes on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from typing import Final, Self
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from config.errors import ScheduleError

_FIELDS: Final = "minute, hour, day of the month, month, day of the week"
_MOST_CHARACTERS: Final = 200
_BOUNDS: Final = {"minute": (0, 59), "hour": (0, 23), "day-of-month": (1, 31), "month": (1, 12), "day-of-week": (0, 7)}
_NAMED: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""Words of other crons, and what they mean."""


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields, and the zone whose clock they are read by."""

    text: str
    timezone: str = "UTC"

    @classmethod
    def read(cls, text: str, timezone: str = "UTC") -> Self:
        """Raises ScheduleError that says what is wrong, and what to write."""
        shown = ascii(text[:80])
        if len(text) > _MOST_CHARACTERS:
            raise ScheduleError(f"cron {shown}... has {len(text)} characters, more than {_MOST_CHARACTERS}")
        if (meant := _NAMED.get(text.strip().lower())) is not None:
            raise ScheduleError(f"cron {shown} is a word of other programs: write '{meant}'")
        fields = text.split()
        if len(fields) != 5:
            raise ScheduleError(
                f"cron {shown} has {len(fields)} {'field' if len(fields) == 1 else 'fields'} and needs five: {_FIELDS}; "
                "write '0 * * * *' for every full hour, in quotes"
            )
        cron = cls(" ".join(fields), timezone)
        cron.after(0)
        return cron

    def after(self, milliseconds: int) -> int:
        """The first time after this one, both in Unix milliseconds. Raises ScheduleError if it can't be told, or never comes."""
        since = datetime.fromtimestamp(milliseconds // 1000, UTC).astimezone(_zone(self.timezone))
        try:
            for time in CronSim(self.text, since):
                found = int(time.timestamp()) * 1000
                if found > milliseconds:  # in an hour that comes twice it may be one of the first time
                    return found
        except CronSimError as error:
            raise ScheduleError(self._refusal(str(error).removeprefix("Bad ").lower())) from None
        raise ScheduleError(self._never())

    def _refusal(self, field: str) -> str:
        """Why the driver can't use it: it names the field and no more."""
        fields = dict(zip(_BOUNDS, self.text.split(), strict=True))
        if field == "day-of-month" and _usable(fields[field]):
            return self._never()  # it looks at the months, too
        low, high = _BOUNDS[field]
        text = fields[field][:80]
        found = (number for number in re.findall(r"(?<![/#0-9])[0-9]+", text) if not low <= int(number) <= high)
        wrong = next(found, None)
        told = f"{text!a} can't be read" if wrong is None else f"{wrong!a} does not exist ({low} to {high})"
        return (
            f"cron {self.text[:80]!a} can't be used: {field.replace('-', ' ')} {told}; "
            f"the five fields are {_FIELDS}, as in '30 6 * * MON-FRI'"
        )

    def _never(self) -> str:
        _, _, day, month, weekday = self.text.split()
        return (
            f"cron {self.text[:80]!a}: no date is day {day[:80]!a} of the month {month[:80]!a} on weekday {weekday[:80]!a}; "
            "it would never run"
        )

    def passed(self, first: int, now: int, *, most: int) -> int:
        """How many times there are from `first`, which is one, up to `now`; no more than `most` are counted."""
        count = 1
        while count < most and (first := self.after(first)) <= now:
            count += 1
        return count


def _usable(day: str) -> bool:
    try:
        CronSim(f"0 0 {day} * *", datetime.fromtimestamp(0, UTC))
    except CronSimError:
        return False
    return True


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # needs no database of zones
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found, no name at all, or a folder of names
        zones = available_timezones()
        near = get_close_matches(name, zones, n=1, cutoff=0.5)
        hint = "" if zones else "; here are none: `pip install tzdata` brings them"
        if near:
            hint = f"; did you mean {near[0]}?"
        raise ScheduleError(
            f"there is no time zone {name[:80]!a} on this machine; write one as UTC or Europe/Berlin{hint}"
        ) from None
