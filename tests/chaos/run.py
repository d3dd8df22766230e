"""`make chaos`: seeded schedules of real processes and faults, several at a time, and what they found, as a table."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.chaos.plan import Kind, draw
from tests.chaos.schedule import Result, play
from tests.chaos.stand import a_stand
from tests.chaos.tampering import BROKEN
from tests.servers import ROOT

_PATIENCE_S = 240.0
COUNTED = ("lost", "doubled", "stuck")
_TOLD_EVERY = 20


async def serve(folder: Path) -> None:
    """One of the jobs: plays what its input names, a JSON line each, and answers with results."""
    async with a_stand(folder) as stand:
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            asked = json.loads(line)
            place = folder / f"{asked['catalog']}-{asked['seed']}"
            place.mkdir()
            plan = draw(asked["seed"], asked["catalog"])
            (place / "plan.json").write_text(str(plan))
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    result = await play(plan, stand, place, tamper=asked["tamper"])
            except TimeoutError:
                result = _broken(plan.seed, plan.catalog, f"the schedule did not end within {_PATIENCE_S:g} s")
            (place / "result.json").write_text(json.dumps(asdict(result)))
            if not result.problems:
                shutil.rmtree(place)
            sys.stdout.write(json.dumps(asdict(result)) + "\n")
            sys.stdout.flush()


def _broken(seed: int, catalog: str, why: str) -> Result:
    return Result(seed=seed, catalog=catalog, seconds=0.0, faults={}, problems=[("stuck", why)])


async def _job(
    number: int, folder: Path, waiting: list[tuple[int, Kind]], tamper: str, done: list[Result], *, until_found: bool
) -> None:
    """Feed one job process until nothing waits; one that breaks is replaced."""
    while waiting:
        place = folder / f"job-{number}-{len(done)}-{time.monotonic_ns()}"
        place.mkdir()
        with (place / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.chaos.run",
                "--serve",
                str(place),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                limit=1 << 24,
            )
        assert process.stdin is not None
        assert process.stdout is not None
        while waiting:
            seed, catalog = waiting.pop(0)
            order = {"seed": seed, "catalog": catalog, "tamper": tamper}
            with contextlib.suppress(ConnectionError):
                process.stdin.write(json.dumps(order).encode() + b"\n")
                await process.stdin.drain()
            line = await process.stdout.readline()
            if not line:
                why = f"the harness broke: see {place / 'log'}"
                _tell(_broken(seed, catalog, why), done, place)
                break
            read = json.loads(line)
            read["problems"] = [tuple(one) for one in read["problems"]]
            _tell(Result(**read), done, place)
            if until_found and read["problems"]:
                waiting.clear()
        process.stdin.close()
        await process.wait()


def _tell(result: Result, done: list[Result], place: Path) -> None:
    done.append(result)
    if len(done) % _TOLD_EVERY == 0:
        failed = sum(bool(one.problems) for one in done)
        print(f"{len(done)} seeds played, {failed or 'none'} failed", file=sys.stderr, flush=True)
    if result.problems:
        print(f"seed {result.seed} on {result.catalog} FAILED after {result.seconds:.1f} s")
        for kind, what in result.problems:
            print(f"  {kind}: {what}")
        print(f"  plan: {draw(result.seed, result.catalog)}")  # type: ignore[arg-type]  # as it was asked for
        print(f"  logs: {place / f'{result.catalog}-{result.seed}'}")
        print(f"  again: make chaos SEED={result.seed} CATALOG={result.catalog}", flush=True)


async def schedules(
    seeds: Sequence[tuple[int, Kind]], *, jobs: int, tamper: str = "", until_found: bool = False
) -> list[Result]:
    """Play these; results in the order in which they came."""
    folder = Path(mkdtemp(prefix="longshore-chaos-"))
    waiting, done = list(seeds), list[Result]()

    await asyncio.gather(
        *(_job(number, folder, waiting, tamper, done, until_found=until_found) for number in range(jobs))
    )
    if not any(result.problems for result in done):
        shutil.rmtree(folder, ignore_errors=True)
    return done


def table(results: Sequence[Result], *, seconds: float) -> dict[str, Any]:
    """What they found, in numbers."""
    faults: Counter[str] = Counter()
    problems: Counter[str] = Counter()
    for result in results:
        faults.update(result.faults)
        problems.update({kind for kind, _ in result.problems})
    recoveries = sorted(one for result in results for one in result.recoveries)
    return {
        "seeds": len(results),
        "seconds": round(seconds, 1),
        "faults": dict(sorted(faults.items())),
        "faults_injected": sum(faults.values()),
        **{kind: problems[kind] for kind in COUNTED},
        "other": sum(count for kind, count in problems.items() if kind not in COUNTED),
        "recoveries": len(recoveries),
        "median_recovery_s": round(recoveries[len(recoveries) // 2], 2) if recoveries else None,
        "longest_recovery_s": round(recoveries[-1], 2) if recoveries else None,
        "failed_seeds": sorted(f"{result.catalog}:{result.seed}" for result in results if result.problems),
    }


def _show(by_catalog: Mapping[Kind, dict[str, Any]]) -> None:
    kinds = sorted({kind for found in by_catalog.values() for kind in found["faults"]})
    rows = ["seeds", "faults_injected", *kinds, *COUNTED, "other", "recoveries", "median_recovery_s"]
    print(f"\n{'':22}" + "".join(f"{catalog:>12}" for catalog in by_catalog))
    for name in (*rows, "longest_recovery_s"):
        cells = (found["faults"].get(name, 0) if name in kinds else found[name] for found in by_catalog.values())
        label = f"  {name}" if name in kinds else name.replace("_", " ")
        print(f"{label:22}" + "".join(f"{'-' if cell is None else cell:>12}" for cell in cells))


def main() -> int:
    """Exit 0 if nothing was lost, doubled or stuck."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="how many")
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first one")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--catalog", choices=("sqlite", "postgres", "both"), default="both")
    parser.add_argument("--jobs", type=int, default=2, help="schedules at the same time")
    parser.add_argument("--json", type=Path, help="write what was found to this file, too")
    parser.add_argument(
        "--tamper", choices=tuple(BROKEN), default="", help="break the workers on purpose, until it is found"
    )
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve is not None:
        asyncio.run(serve(asked.serve))
        return 0
    kinds: tuple[Kind, ...] = ("sqlite", "postgres") if asked.catalog == "both" else (asked.catalog,)
    seeds = range(asked.first, asked.first + asked.seeds) if asked.seed is None else (asked.seed,)
    began = time.monotonic()
    results = asyncio.run(
        schedules(
            [(seed, kind) for seed in seeds for kind in kinds],
            jobs=asked.jobs,
            tamper=asked.tamper,
            until_found=bool(asked.tamper),
        )
    )
    seconds = time.monotonic() - began
    by_catalog = {kind: table([one for one in results if one.catalog == kind], seconds=seconds) for kind in kinds}
    _show(by_catalog)
    print(f"{'seconds':22}{seconds:>12.0f}")
    print("recoveries: from the kill of a shard's owner to the shard's next commit")
    if asked.json is not None:
        asked.json.write_text(
            json.dumps({"catalogs": by_catalog, "results": [asdict(one) for one in results]}, indent=1)
        )
    return int(any(one.problems for one in results))


if __name__ == "__main__":
    sys.exit(main())
