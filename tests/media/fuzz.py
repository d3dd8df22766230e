"""Reads a million hostile files, and says what raised, hung, took too long or too much, or could not be stored.

Each input is made from a seed and its number. Every core's process takes its share. Time is the process's CPU time, of all readings of
an input; what seems too slow is read again before it counts. Memory is looked for in two ways: an input during which the process's
largest size grew is measured with tracemalloc, and so are every thousandth and the slowest; and the address space of each process
is bounded, so that even memory that is never touched raises MemoryError, which counts.
What is found wrong is kept in .fuzz/ with the command that plays it again.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from tests.media.judging import MEMORY_MOST, Probe, judge, memory, probed, watched
from tests.media.mutating import Input, Source, make, sources

FOUND: Final = Path(".fuzz")
SPACE: Final = 64 << 20
"""Bytes of address space that a process may take beyond what it began with."""
SAMPLED: Final = 1_000
"""Of so many inputs, the memory of one is measured whatever it seems."""
SLOWEST: Final = 20
BATCH: Final = 5_000
_KEPT: Final = 200
"""Problems that are told one by one."""


@dataclass(slots=True)
class Tally:
    """What came of a batch, or of all."""

    inputs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[int, str, str]] = field(default_factory=list)
    """Number, source, and what is wrong."""
    slowest: list[tuple[float, int, str]] = field(default_factory=list)
    """CPU seconds, number and source, of the slowest few."""
    largest: tuple[int, int, str] = (0, 0, "")
    """Bytes, number and source."""
    measured: int = 0

    def add(self, other: Tally) -> None:
        """Another's counts and worst cases."""
        self.inputs += other.inputs
        self.outcomes += other.outcomes
        self.problems += other.problems
        self.slowest = heapq.nlargest(SLOWEST, self.slowest + other.slowest)
        self.largest = max(self.largest, other.largest)
        self.measured += other.measured


def play(seed: int, numbers: range, corpus: list[Source], run: Probe = probed, *, guarded: bool = False) -> Tally:
    """Reads these inputs, in this process. `guarded`: what hangs is stopped."""
    tally, peak = Tally(), _peak()
    with watched() if guarded else nullcontext(lambda: None) as alarm:
        for number in numbers:
            one = make(seed, number, corpus)
            alarm()
            judged = judge(one, run)
            tally.inputs += 1
            tally.outcomes[judged.found] += 1
            if judged.wrong is not None:
                tally.problems.append((number, one.source, judged.wrong))
            if len(tally.slowest) < SLOWEST or judged.cpu_s > tally.slowest[-1][0]:
                tally.slowest = heapq.nlargest(SLOWEST, [*tally.slowest, (judged.cpu_s, number, one.source)])
            if number % SAMPLED == 0 or _peak() > peak:
                _measure(one, number, tally, run)
                peak = _peak()
        for _, number, _ in tally.slowest[:3]:
            alarm()
            _measure(make(seed, number, corpus), number, tally, run)
    return tally


def _measure(one: Input, number: int, tally: Tally, run: Probe) -> None:
    tally.measured += 1
    try:
        took = memory(one, run)
    except Exception:  # noqa: BLE001 - it was judged before, and is counted there
        return
    tally.largest = max(tally.largest, (took, number, one.source))
    if took > MEMORY_MOST:
        tally.problems.append((number, one.source, f"it took {took:,} bytes"))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


_corpus: list[Source] = []


def _begin() -> None:
    """In a process of its own: the corpus is read, and the address space bounded."""
    os.nice(5)
    _corpus.extend(sources())
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    if pages:
        most = pages * resource.getpagesize() + SPACE
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _batch(seed: int, first: int, after: int) -> Tally:
    return play(seed, range(first, after), _corpus, guarded=True)


def run_all(seed: int, count: int, jobs: int, start: int = 0) -> Iterator[Tally]:
    """One tally per batch, as they end."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin) as pool:
        ends = [
            pool.submit(_batch, seed, at, min(at + BATCH, start + count)) for at in range(start, start + count, BATCH)
        ]
        for end in as_completed(ends):
            yield end.result()


def keep(seed: int, number: int, why: str, corpus: list[Source]) -> None:
    """Writes an input down, with why, so that it outlasts changes of the parsers."""
    FOUND.mkdir(exist_ok=True)
    one, path = make(seed, number, corpus), FOUND / f"{seed}-{number}"
    path.with_suffix(".bin").write_bytes(one.body)
    told = {"source": one.source, "size": one.size, "first": one.first, "least": one.least, "why": why}
    told["again"] = f"python -m tests.media.fuzz --again {path}.json"
    path.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n")


def kept(path: Path) -> Input:
    """What was written down."""
    told = json.loads(path.read_text())
    return Input(told["source"], path.with_suffix(".bin").read_bytes(), told["size"], told["first"], told["least"])


def _again(one: Input) -> int:
    with watched() as alarm:
        alarm()
        judged = judge(one)
        print(f"from {one.source}: {len(one.body):,} bytes, said to be {one.size}, of which {one.first:,} at first")
        print(f"{judged.found}, {1000 * judged.cpu_s:.2f} ms, {judged.wrong or 'nothing wrong'}")
        if judged.found != "raised":
            print(f"{memory(one):,} bytes; {probed(one).reading}")
    return judged.wrong is not None


def main() -> int:
    """Ends with 1 if anything is wrong."""
    options = argparse.ArgumentParser(description="Reads hostile files.")
    options.add_argument("--count", type=int, default=1_000_000)
    options.add_argument("--from", type=int, default=0, dest="start")
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options.add_argument("--only", type=int, help="plays this input of the seed")
    options.add_argument("--again", type=Path, help="plays an input that was kept")
    chosen = options.parse_args()
    if chosen.only is not None:
        return _again(make(chosen.seed, chosen.only, sources()))
    if chosen.again is not None:
        return _again(kept(chosen.again))
    print(f"seed {chosen.seed}: {chosen.count:,} inputs in {chosen.jobs} processes", flush=True)
    began = shown = time.monotonic()
    whole = Tally()
    for tally in run_all(chosen.seed, chosen.count, chosen.jobs, chosen.start):
        whole.add(tally)
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            print(
                f"  {whole.inputs:,} read, {len(whole.problems)} wrong, {whole.inputs / (shown - began):,.0f}/s",
                flush=True,
            )
    _report(whole, chosen.seed, time.monotonic() - began)
    return bool(whole.problems)


def _report(whole: Tally, seed: int, seconds: float) -> None:
    print(
        f"{whole.inputs:,} inputs in {seconds:.0f} s: {whole.inputs / seconds:,.0f}/s. {dict(whole.outcomes.most_common())}"
    )
    for cpu_s, number, name in whole.slowest[:3]:
        print(f"slowest: {1000 * cpu_s:.1f} ms, input {number} from {name}")
    took, number, name = whole.largest
    print(f"largest: {took / (1 << 20):.2f} MB, input {number} from {name} ({whole.measured:,} measured)")
    corpus = sources()
    for number, name, why in whole.problems[:_KEPT]:
        print(f"WRONG: input {number} from {name}: {why}")
        keep(seed, number, why, corpus)
    for _, number, name in whole.slowest[:1]:
        keep(seed, number, f"the slowest, from {name}", corpus)
    print(f"{len(whole.problems)} wrong" + (f"; they lie in {FOUND}/" if whole.problems else ""))


if __name__ == "__main__":
    sys.exit(main())
