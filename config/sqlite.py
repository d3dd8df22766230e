"""SQLite as the catalog's database: one file, one writer at a time, many readers; hides pragmas, threads and busy waiting.

Each piece of work has a thread of its own, so that the event loop never waits for a disk.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from config.errors import CatalogError, CatalogUnavailableError, SettingsError
from config.versions import MIGRATIONS, newest_migration

T = TypeVar("T")

BUSY_TIMEOUT_MS = 15_000
"""How long a transaction waits for another process's; several worker processes share one SQLite file."""
_BUSY_PIECE_MS = 500
"""... in pieces of so much, between which it sees whether anybody still waits for it: SQLite can't be interrupted meanwhile."""
_MIGRATION_MS = 600_000
_READERS = 4
_WRITER_KIB, _READER_KIB = 16 * 1024, 2 * 1024
"""What each connection keeps of the file in memory; the system keeps the rest."""

_TRANSIENT = (
    "database is locked",
    "database table is locked",
    "database or disk is full",
    "disk i/o error",
    "unable to open",
)

_NO_DATABASE = "file is not a database"


async def open_sqlite(url: str) -> SqliteDatabase:
    """Open the file at `url`. Raises SettingsError or CatalogError."""
    return await asyncio.to_thread(_open, url)


class SqliteDatabase:
    """See `config.database.Database`."""

    def __init__(self, *, writer: sa.Engine, reader: sa.Engine) -> None:
        self._writer, self._reader = writer, reader
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="catalog-write")
        self._read_threads = ThreadPoolExecutor(_READERS, thread_name_prefix="catalog-read")

    async def transaction(self, work: Callable[[sa.Connection], T]) -> T:
        return await self._run(self._write_thread, self._writer, work)

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        return await self._run(self._read_threads, self._reader, work)

    async def _run(self, threads: ThreadPoolExecutor, engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
        abandoned = threading.Event()

        def whole() -> T:
            with engine.execution_options(abandoned=abandoned).begin() as connection:
                return work(connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(threads, whole)
        except DBAPIError as error:
            raise _translated(error) from error
        except asyncio.CancelledError:
            abandoned.set()  # if it has not begun, it need not
            raise

    async def aclose(self) -> None:
        def close() -> None:
            self._write_thread.shutdown()
            self._read_threads.shutdown()
            self._writer.dispose()
            self._reader.dispose()

        await asyncio.to_thread(close)


def _open(url: str) -> SqliteDatabase:
    path = _sqlite_path(url)
    if not path.parent.is_dir():  # making it would hide a misspelt place, and a volume that is not mounted
        raise SettingsError(
            f"the catalog {path} can't be opened: the folder {path.parent} does not exist; make it, or set LONGSHORE_CATALOG_URL to "
            "another place"
        )
    _make_private(path)
    writer, reader = (
        _engine(path, begin="BEGIN IMMEDIATE", size=1, cache_kib=_WRITER_KIB, busy_ms=_BUSY_PIECE_MS),
        _engine(path, begin="BEGIN", size=_READERS, cache_kib=_READER_KIB, busy_ms=BUSY_TIMEOUT_MS),
    )
    try:
        _migrate(writer, reader)
    except CatalogError:
        _dispose(writer, reader)
        raise
    except DBAPIError as error:
        _dispose(writer, reader)
        if _NO_DATABASE in str(error.orig):
            raise SettingsError(
                f"{path} is no SQLite database, so it can't be the catalog; nothing was changed in it: set LONGSHORE_CATALOG_URL to "
                "another file"
            ) from error
        raise _translated(error) from error
    return SqliteDatabase(writer=writer, reader=reader)


def _make_private(path: Path) -> None:
    """Sealed secrets live here: nobody else on the machine needs to read them.

    A file that is there is not opened: closing it again would drop the locks of this process's other connections to it (that is how
    POSIX has it), and whoever closes the catalog next would take away the log that they still read and write.
    """
    try:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
            if not os.access(path, os.R_OK | os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None
    except OSError as error:
        message = f"the catalog {path} can't be opened: {error.strerror}; set LONGSHORE_CATALOG_URL to a place that can be written"
        raise SettingsError(message) from error


def _dispose(*engines: sa.Engine) -> None:
    for engine in engines:
        engine.dispose()


def _sqlite_path(url: str) -> Path:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise SettingsError("LONGSHORE_CATALOG_URL is no database URL; write sqlite:///path/to/longshore.db") from None
    if not parsed.database or parsed.database == ":memory:":
        raise SettingsError(
            "LONGSHORE_CATALOG_URL names no file; the catalog must outlive the process: sqlite:///longshore.db"
        )
    return Path(parsed.database)


def _engine(path: Path, *, begin: str, size: int, cache_kib: int, busy_ms: int) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        pool_size=size,
        max_overflow=0,
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin or commit by itself
        try:
            _write_ahead(connection)
        except sqlite3.Error:
            connection.close()  # the pool has not taken it over yet
            raise
        for pragma in (
            f"busy_timeout = {busy_ms}",
            # A power cut may undo the last commits, rows and ranges alike, and never half of one: the work is repeated.
            "synchronous = NORMAL",
            "foreign_keys = ON",
            f"cache_size = -{cache_kib}",
            # Pages that grow at many ends are written once for several commits: 16 MiB of them lie in the log by then.
            "wal_autocheckpoint = 4096",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if connection.execute("PRAGMA secure_delete").fetchone() == (0,):  # most systems build it in
            # What an old key opens must not outlive its rotation in the file's free space.
            connection.execute("PRAGMA secure_delete = FAST")

    @event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        abandoned = connection.get_execution_options().get("abandoned")
        until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
        while abandoned is not None and not abandoned.is_set() and time.monotonic() < until:
            try:
                connection.connection.cursor().execute(begin)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    break
            else:
                return
        connection.exec_driver_sql(begin)  # without patience; and whatever is wrong with it is told as of any statement

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log. SQLite does not wait here for other processes that do the same, whatever the busy timeout."""
    until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _migrate(writer: sa.Engine, reader: sa.Engine) -> None:
    with reader.begin() as connection:
        if sa.inspect(connection).has_table("alembic_version"):
            at = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
            if at == newest_migration():
                return  # a process that starts need not wait for those that write, nor load what migrates
    from config.migrating import upgrade

    _be_patient(writer, _MIGRATION_MS)  # others may be at it, and a large catalog takes minutes
    with writer.begin() as connection:  # BEGIN IMMEDIATE: of several that start together one migrates, the others wait
        upgrade(connection, MIGRATIONS)
    _be_patient(writer, _BUSY_PIECE_MS)


def _be_patient(engine: sa.Engine, milliseconds: int) -> None:
    """On the engine's one connection."""
    connection = engine.raw_connection()
    connection.cursor().execute(f"PRAGMA busy_timeout = {milliseconds}")
    connection.close()


def _translated(error: DBAPIError) -> CatalogError:
    reason = str(error.orig)
    kind = CatalogUnavailableError if any(text in reason.lower() for text in _TRANSIENT) else CatalogError
    return kind(f"the catalog refused a statement: {reason}")
