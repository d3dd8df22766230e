"""How far our clock is from AWS's: what is more than a quarter of an hour, every signature fails for."""

from __future__ import annotations

from typing import Final

from ingest.check.asking import Skews
from ingest.check.causes import CLOCK
from ingest.check.report import Reason, Step, failed, passed, untried, warned

CLOCKS: Final = "clock"
_WARN_S: Final = 60.0
_NAMED: Final = 3
_FAIL_S: Final = 300.0
"""A third of what S3 and STS bear (15 minutes): it has a fault that grows."""


def clock_step(skews: Skews) -> Step:
    if not skews.seen:
        return untried(CLOCKS, "no answer told its time")
    whose, ahead = max(skews.seen.items(), key=lambda one: abs(one[1]))
    if abs(ahead) <= _WARN_S:
        return passed(CLOCKS, f"ours is within {max(2, round(abs(ahead)))} s of theirs")
    which = "ahead of" if ahead > 0 else "behind"
    agree = [other for other, apart in skews.seen.items() if abs(apart) <= _WARN_S]
    if agree:
        seen = (
            f"ours is {abs(ahead):,.0f} s {which} that of {whose}, and agrees with that of {', '.join(agree[:_NAMED])}"
        )
        why = f"the clock of {whose} is wrong, or something on the way answers from a store: have whoever runs it set it by NTP"
        return warned(CLOCKS, seen, Reason(why=why))
    seen = f"ours is {abs(ahead):,.0f} s {which} theirs, who refuse what is more than 900 s off"
    return (failed if abs(ahead) > _FAIL_S else warned)(CLOCKS, seen, CLOCK)
