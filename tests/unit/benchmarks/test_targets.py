"""The table of targets says what was measured, and only that."""

from __future__ import annotations

import pytest

from benchmarks.measure import Usage
from benchmarks.results import Result, Run
from benchmarks.targets import lines
from benchmarks.works import Work, works


def result(name: str, tool: str, *, seconds: float, samples: list[tuple[float, float]] | None = None) -> Result:
    work: Work = next(one for one in works(quick=False, repeat=None, keys=None) if one.name == name)
    usage = Usage(seconds=seconds, cpu_s=1, peak_mb=150, samples=samples or [])
    server = {"requests": {"list": {"200": work.keys // 1000}}, "first_s": 0.0, "last_s": seconds}
    return Result(tool=tool, version="1", work=work, runs=[Run(objects=work.keys, usage=usage, server=server)])


@pytest.mark.parametrize(("seconds", "seen", "reached"), [(5.0, "10.00", "yes"), (5.1, "9.80", "**no**")])
def test_a_target_is_reached_or_not(seconds: float, seen: str, reached: str) -> None:
    ours, peer = result("list", "longshore", seconds=seconds), result("list", "aiobotocore", seconds=50)
    assert list(lines([ours, peer])) == [
        ("list depth: keys/s over aiobotocore's paginator", "at least 10", seen, reached)
    ]


def test_memory_that_grows_is_seen() -> None:
    growing = [(float(number), 100.0 + 10 * number) for number in range(20)]
    ours = result("memory", "longshore", seconds=20, samples=growing)
    assert [line[2:] for line in lines([ours])] == [("150", "yes"), (f"{290 / 190:.2f}", "**no**")]


def test_what_was_not_measured_is_left_out() -> None:
    failed = result("list", "s5cmd", seconds=1)
    failed.runs.clear()
    assert list(lines([result("list", "longshore", seconds=1), failed])) == []
