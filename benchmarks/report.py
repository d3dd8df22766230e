"""Results as a page for people: hides columns, rounding and what is worth a note."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence

from benchmarks import targets
from benchmarks.results import Result, memory_over_time, round_trips_s
from benchmarks.works import STREAMS, Work

_NOTES = f"""
Every row is a process of its own, timed from its start to its end, on one machine with the synthetic server beside it. Ours parses,
checks and commits to a fresh SQLite catalog, whose rows are then compared with the key space; peers list (and HEAD) and keep nothing.
`objects/s` is of the median run. `longshore is` how many times as fast. `requests / fewest` counts what reached the
server, over the fewest that can do the work (a LIST for each 1,000 keys, at head depth also a HEAD for each). CPU is user and
system time of the process per million objects; memory its highest resident size. `floor` asks for known pages with {STREAMS} streams
and reads bytes without looking: what server and sockets cost, and what nobody here can beat. A slow peer may do a part of a
work, and is compared by its rate. `bare` is our wire client with nothing around it (listing: the same lister, compare off), over its
lean transport; `bare_aiohttp` the same over the fallback. `spans` commits rows as a run does, to a PostgreSQL that waits for its disk;
`copy_merge` is a plain script that brings the same rows by COPY and one merge each, and keeps no account of them.
"""


def page(results: Sequence[Result], *, command: str, load: float, judged: bool = True) -> str:
    """The whole of RESULTS.md. `load`: of the machine when the first run began. `judged`: sizes are those that targets are for."""
    lines = ["# Results", "", f"Printed by `{command}`.", "", _machine(load), _NOTES]
    if not judged:
        lines += [
            "Sizes are small here, so that starting up is most of it: this shows that everything runs, and no more.",
            "",
        ]
    elif reached := list(targets.lines(results)):
        lines += ["## Targets", "", *_table(("", "wanted", "seen", "reached"), reached), ""]
    for work in dict.fromkeys(result.work.name for result in results):
        lines += _section([result for result in results if result.work.name == work])
    versions = {
        f"{result.tool} {result.version}"
        for result in results
        if result.version and not result.tool.startswith(("floor", "bare"))
    }
    lines += ["## Versions", "", ", ".join(sorted(versions)) + f", Python {platform.python_version()}", ""]
    return "\n".join(lines)


def _machine(load: float) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    text = f"A virtual machine or host with {os.cpu_count()} {platform.machine()} cores and {memory:.0f} GiB, {platform.system()}"
    busy = f"; others were at work on it (load {load:.1f})" if load > 0.5 else ""
    return f"{text}{busy}. Client and server share it over the loopback interface."


def _section(results: Sequence[Result]) -> list[str]:
    work = results[0].work
    ran = [result for result in results if result.runs]
    ours = next((result for result in ran if result.tool == "longshore"), None)
    rows = [_row(result, ours) for result in sorted(ran, key=lambda result: -result.rate)]
    titles = ("", "runs", "objects", "seconds", "objects/s", "longshore is", "requests / fewest", "CPU s/M", "peak MB")
    lines = [f"## {work.title}", "", f"{work.keys:,} keys, shape `{work.shape}`.", "", *_table(titles, rows), ""]
    lines += [f"- {note}" for note in _remarks(work, ran, ours)]
    lines += [f"- {result.tool}: {result.missing}" for result in results if result.missing]
    return [*lines, ""]


def _row(result: Result, ours: Result | None) -> tuple[str, ...]:
    name = f"**{result.tool}**" if result is ours else result.tool
    ratio = f"{ours.rate / result.rate:.2f}x" if ours else ""
    requests = "" if result.tool == "floor" or result.work.kind == "commit" else f"{result.over_fewest:.2f}"
    return (
        name,
        str(len(result.runs)),
        f"{result.objects:,}",
        f"{result.seconds:.2f}",
        f"{result.rate:,.0f}",
        ratio,
        requests,
        f"{result.cpu_s_per_million:.1f}",
        f"{result.peak_mb:.0f}",
    )


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(titles) + " |", "|---" + "|---:" * (len(titles) - 1) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def _remarks(work: Work, ran: Sequence[Result], ours: Result | None) -> Iterable[str]:
    if ours is None:
        return
    floor = next((result for result in ran if result.tool == "floor"), None)
    if floor is not None:
        yield f"longshore reaches {ours.rate / floor.rate:.0%} of the floor"
    if work.latency_ms:
        yield f"round trips alone: {round_trips_s(work):.2f} s with {STREAMS} at once; longshore took {ours.seconds:.2f} s"
    if work.limit:
        kept = ours.goodput / work.limit
        yield f"goodput {ours.goodput:,.0f} HEAD/s from the first request to the last, {kept:.0%} of the limit; {ours.throttled:.2%} of answers were 503"
    if work.name == "memory":
        yield "MB resident over seconds: " + ", ".join(
            f"{mb:.0f}@{at:.0f}" for at, mb in memory_over_time(ours.runs[0])
        )
    if work.unchanged:
        bare = next((result for result in ran if result.tool == "bare"), None)
        heads = sum(run.sent("head", "get") for run in ours.runs)
        against = f"{ours.seconds / bare.seconds:.2f} times bare listing; " if bare else ""
        yield f"{against}{heads} HEADs; no row was written"
    if work.latency_ms or work.limit:
        return
    server = max(run.server["server_cpu_s"] / run.usage.seconds for run in ours.runs)
    yield f"the server's core was busy for {server:.0%} of longshore's time"
