"""What longshore is held to, and whether the results reach it: each target is one line of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.results import Result, memory_over_time

Found = Mapping[tuple[str, str], Result]
"""Results that have runs, by the names of work and tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    what: str
    wanted: str
    seen: Callable[[Found], float]
    """Raises KeyError if it was not measured."""
    reached: Callable[[float], bool]
    shown: str = "{:.2f}"


def _times(work: str, peer: str) -> Callable[[Found], float]:
    """How many times faster longshore went."""
    return lambda found: found[work, "longshore"].rate / found[work, peer].rate


def _longer(work: str, than: tuple[str, str]) -> Callable[[Found], float]:
    return lambda found: found[work, "longshore"].seconds / found[than].seconds


def _requests(*shapes: str) -> Callable[[Found], float]:
    return lambda found: max(found[f"shape-{shape}", "longshore"].over_fewest for shape in shapes)


def _per_object(result: Result) -> float:
    return max(run.sent("head", "get") for run in result.runs) / result.objects


def _flat(found: Found) -> float:
    """The highest of the second half of the run over the highest of its second quarter."""
    resident = [mb for _, mb in memory_over_time(found["memory", "longshore"].runs[0])]
    quarter = len(resident) // 4
    if not quarter:
        raise KeyError("it was over before memory could be watched")
    return max(resident[2 * quarter :]) / max(resident[quarter : 2 * quarter])


TARGETS: Final[Sequence[Target]] = (
    Target(
        what="list depth: keys/s over aiobotocore's paginator",
        wanted="at least 10",
        seen=_times("list", "aiobotocore"),
        reached=lambda seen: seen >= 10,
    ),
    Target(
        what="list depth: keys/s over `s5cmd ls`",
        wanted="at least 2",
        seen=_times("list", "s5cmd"),
        reached=lambda seen: seen >= 2,
    ),
    Target(
        what="list depth, 50 ms per request: times faster than `s5cmd ls`",
        wanted="at least 8",
        seen=_times("latency", "s5cmd"),
        reached=lambda seen: seen >= 8,
    ),
    Target(
        what="list depth, 50 ms per request: time over our own without latency",
        wanted="at most 2",
        seen=_longer("latency", ("list", "longshore")),
        reached=lambda seen: seen <= 2,
    ),
    Target(
        what="requests over the fewest possible: flat, hash, directories",
        wanted="at most 1.25",
        seen=_requests("flat", "hash", "directories"),
        reached=lambda seen: seen <= 1.25,
    ),
    Target(
        what="requests over the fewest possible: dates, huge, prefix, numbers, tiny, tenants",
        wanted="at most 2",
        seen=_requests("dates", "huge", "prefix", "numbers", "tiny", "tenants"),
        reached=lambda seen: seen <= 2,
    ),
    Target(
        what="head depth: objects/s over aiobotocore",
        wanted="at least 8, aim 12",
        seen=_times("head", "aiobotocore"),
        reached=lambda seen: seen >= 8,
    ),
    Target(
        what="media depth, 20,000 mixed objects: objects/s over head depth",
        wanted="at least 0.7",
        seen=lambda found: found["media", "longshore"].rate / found["media-head", "longshore"].rate,
        reached=lambda seen: seen >= 0.7,
    ),
    Target(
        what="... and requests per object",
        wanted="at most 1.05",
        seen=lambda found: _per_object(found["media", "longshore"]),
        reached=lambda seen: seen <= 1.05,
        shown="{:.3f}",
    ),
    Target(
        what="memory, 10 million keys at list depth: MB at the peak",
        wanted="below 200",
        seen=lambda found: found["memory", "longshore"].peak_mb,
        reached=lambda seen: seen < 200,
        shown="{:.0f}",
    ),
    Target(
        what="... and flat over time: second half over second quarter",
        wanted="at most 1.1",
        seen=_flat,
        reached=lambda seen: seen <= 1.1,
    ),
    Target(
        what="unchanged re-run: time over bare listing",
        wanted="at most 1.3",
        seen=_longer("rerun", ("rerun", "bare")),
        reached=lambda seen: seen <= 1.3,
    ),
    Target(
        what="PostgreSQL: rows/s that are committed",
        wanted="at least 60,000",
        seen=lambda found: found["commit", "spans"].rate,
        reached=lambda seen: seen >= 60_000,
        shown="{:,.0f}",
    ),
    Target(
        what="... over a plain COPY and merge",
        wanted="at least 0.6",
        seen=lambda found: found["commit", "spans"].rate / found["commit", "copy_merge"].rate,
        reached=lambda seen: seen >= 0.6,
    ),
    Target(
        what="server limited to 2,000 requests/s: share of the limit kept as goodput",
        wanted="at least 0.90",
        seen=lambda found: found["limit", "longshore"].goodput / found["limit", "longshore"].work.limit,
        reached=lambda seen: seen >= 0.9,
    ),
    Target(
        what="... and share of answers that were 503",
        wanted="below 0.02",
        seen=lambda found: found["limit", "longshore"].throttled,
        reached=lambda seen: seen < 0.02,
        shown="{:.4f}",
    ),
    Target(
        what="one run on four workers: times faster than on one",
        wanted="at least 3",
        seen=lambda found: found["scale", "one worker"].seconds / found["scale", "four workers"].seconds,
        reached=lambda seen: seen >= 3,
    ),
    Target(
        what="a run of 1,000 keys beside one of a million: seconds longer than alone, the slowest of ten",
        wanted="at most 5",
        seen=lambda found: max(
            found[work, "beside"].seconds - found[work, "alone"].seconds for work in ("fair", "fair-head")
        ),
        reached=lambda seen: seen <= 5,
    ),
)


def lines(results: Sequence[Result]) -> Iterator[tuple[str, str, str, str]]:
    """What, wanted, seen, and whether it is reached; targets that were not measured are left out."""
    found = {(result.work.name, result.tool): result for result in results if result.runs}
    for target in TARGETS:
        try:
            seen = target.seen(found)
        except KeyError:
            continue
        yield target.what, target.wanted, target.shown.format(seen), "yes" if target.reached(seen) else "**no**"
