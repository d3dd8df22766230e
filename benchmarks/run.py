"""Runs longshore and every peer on the same server in turn, and writes the table.

python -m benchmarks.run --quick                 # everything small, to see that it works
python -m benchmarks.run --work list,head        # some works; names as in benchmarks/works.py, up to the first dash
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.fleet import measure_fleet
from benchmarks.measure import ToolError, run_measured
from benchmarks.peers.process import CLIENT_KEYS, REGION, Asked
from benchmarks.peers.registry import FLOOR, LOCAL, OURS, PEERS, Tool, environment, version
from benchmarks.postgres import catalog_server
from benchmarks.report import page
from benchmarks.results import Result, Run
from benchmarks.running import Running, synthetic_server
from benchmarks.verify import check_rows, newest_change
from benchmarks.works import STREAMS, Work, works

_SLOW_S = 60.0
"""A tool that takes longer runs once only: its start matters less than everybody's patience."""
_CACHED_KEYS = 1_000_000
HERE = Path(__file__).resolve().parent


class Bench:
    """One work on one server: every tool in turn, as often as the work says."""

    def __init__(self, work: Work, *, python: Path, folder: Path, timeout_s: float) -> None:
        self._work, self._python, self._folder, self._timeout_s = work, python, folder, timeout_s

    def run(self, tools: Sequence[tuple[Tool, str | None]]) -> list[Result]:
        """Tools with their versions; None: not here, which is told and fails nothing."""
        work = self._work
        results = [Result(tool=tool.name, version=known or "", work=work) for tool, known in tools]
        with self._server() as server:
            if work.kind != "commit":
                self._warm(server)
            for turn in range(work.repeat):
                for (tool, known), result in zip(tools, results, strict=True):
                    if known is None:
                        result.missing = "not here"
                    elif not result.missing and not (turn and result.seconds > _SLOW_S):
                        self._one(server, tool, result)
        return results

    def _server(self) -> AbstractContextManager[Running]:
        work = self._work
        if work.kind == "commit":
            return catalog_server()
        return synthetic_server(shape=work.shape, keys=work.keys, latency_ms=work.latency_ms, limit=work.limit)

    def _warm(self, server: Running) -> None:
        """Render every page once, so that nobody pays for being the first; catch up with an unchanged bucket, if that is the work."""
        work = self._work
        if not work.limit and work.keys <= _CACHED_KEYS:
            self._measured(server, FLOOR, work.keys, kind="list")
        if work.unchanged:
            self._measured(server, OURS, work.keys)
            self._catalog_before = newest_change(self._catalog)

    @property
    def _catalog(self) -> Path:
        return self._folder / OURS.name / "longshore.db"

    def _one(self, server: Running, tool: Tool, result: Result) -> None:
        work = self._work
        most = work.keys if tool.whole else min(work.keys, tool.most.get(work.kind, work.keys))
        try:
            run = self._measured(server, tool, most)
        except (ToolError, ValueError) as error:
            result.missing = f"failed: {' '.join(str(error).split())[-300:]}"
            if tool is OURS:
                raise
            return
        result.runs.append(run)
        print(
            f"{work.name:<18} {tool.name:<12} {run.usage.seconds:8.2f} s  {run.objects / run.usage.seconds:10,.0f} objects/s",
            flush=True,
        )
        if run.objects != most:
            raise ToolError(f"{tool.name} saw {run.objects} of {most} objects")
        if tool is OURS:
            self._verify()

    def _verify(self) -> None:
        work = self._work
        check_rows(self._catalog, shape=work.shape, keys=work.keys, depth=work.kind)
        if work.unchanged and newest_change(self._catalog) != self._catalog_before:
            raise ToolError("a re-run of an unchanged bucket wrote rows")

    def _measured(self, server: Running, tool: Tool, most: int, *, kind: str = "") -> Run:
        work = self._work
        home = self._folder / tool.name
        if not (work.unchanged and tool is OURS):
            shutil.rmtree(home, ignore_errors=True)
        home.mkdir(exist_ok=True)
        asked = Asked(
            work="list" if kind == "list" else work.kind,
            endpoint=server.url,
            bucket=server.bucket,
            shape=work.shape,
            keys=work.keys,
            most=most,
            streams=STREAMS,
        )
        python = Path(sys.executable) if tool in LOCAL else self._python
        printed = self._folder / "printed"
        server.reset()
        usage = run_measured(
            tool.command(asked, python),
            environment={
                **environment(home, server.url),
                **CLIENT_KEYS,
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
            },
            folder=home,
            printed=printed,
            timeout_s=self._timeout_s,
        )
        return Run(objects=tool.read(printed), usage=usage, server=server.stats())


def measure(
    chosen: Sequence[Work], *, python: Path, only: frozenset[str] | None = None, timeout_s: float = 1800.0
) -> list[Result]:
    """Run the works one after the other. `python`: where the peers are installed; `only`: names of the tools to run."""
    everyone = {tool.name: (tool, version(tool, python)) for tool in (*LOCAL, *PEERS)}
    results: list[Result] = []
    for work in chosen:
        if work.fleet:
            results += measure_fleet(work, timeout_s=timeout_s)
            continue
        taking_part = (OURS.name, *work.peers) if work.ours else work.peers
        names = [name for name in taking_part if only is None or name in only]
        tools = [everyone[name] for name in names if work.kind in everyone[name][0].works]
        with TemporaryDirectory(prefix="bench-") as folder:
            results += Bench(work, python=python, folder=Path(folder), timeout_s=timeout_s).run(tools)
    return results


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few keys and one run of each: does everything work?")
    parser.add_argument(
        "--work",
        default="",
        help="list,latency,head,media,wire,rerun,limit,shape,commit,scale,fair,memory; everything if not said",
    )
    parser.add_argument("--tools", default="", help="names, comma-separated; everyone if not said")
    parser.add_argument("--repeat", type=int, help="runs of each tool")
    parser.add_argument("--keys", type=int, help="keys in every bucket")
    parser.add_argument(
        "--peers-python", type=Path, default=Path(sys.executable), help="the Python where the peers are installed"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="the folder for RESULTS.md and RESULTS.json; benchmarks/ for a whole run, .benchmarks/ for a part of one",
    )
    return parser.parse_args()


def main() -> None:
    asked = _arguments()
    groups, only = ({*text.split(",")} - {""} for text in (asked.work, asked.tools))
    every = works(quick=asked.quick, repeat=asked.repeat, keys=asked.keys)
    if unknown := groups - {work.group for work in every}:
        sys.exit(f"no such work: {', '.join(sorted(unknown))}")
    load, began = os.getloadavg()[0], time.monotonic()
    chosen = [work for work in every if not groups or work.group in groups]
    results = measure(chosen, python=asked.peers_python.absolute(), only=frozenset(only) if only else None)
    whole = not (asked.quick or groups or only or asked.repeat or asked.keys)
    out: Path = asked.out or (HERE if whole else HERE.parent / ".benchmarks")
    out.mkdir(parents=True, exist_ok=True)
    judged = not asked.quick and asked.keys is None
    (out / "RESULTS.md").write_text(page(results, command=_command(asked), load=load, judged=judged))
    told = json.dumps([result.as_json() for result in results], indent=1)
    (out / "RESULTS.json").write_text(told + "\n")
    print(
        f"{sum(bool(result.runs) for result in results)} rows in {time.monotonic() - began:.0f} s: {out / 'RESULTS.md'}"
    )


def _command(asked: argparse.Namespace) -> str:
    """What prints the same table again."""
    said = ["--quick"] if asked.quick else []
    for name in ("work", "tools", "repeat", "keys"):
        said += [f"--{name} {value}"] if (value := getattr(asked, name)) else []
    return f'make bench ARGS="{" ".join(said)}"' if said else "make bench"


if __name__ == "__main__":
    main()
