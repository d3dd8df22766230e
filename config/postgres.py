"""PostgreSQL as the catalog's database: many machines at once; hides the pool, what is tried again, and what its errors mean."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import asyncpg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from config.database import MIGRATIONS, newest_migration
from config.errors import CatalogError, CatalogUnavailableError, SettingsError

T = TypeVar("T")

_CONNECTIONS: Final = 8
"""Of one process, to work with at the same time."""
_CONNECT_S: Final = 10.0
_STATEMENT_S: Final = 60.0
_AGAIN: Final = ("40001", "40P01")
"""The database gave one of several transactions up so that others could go on, and asks for it again."""
_ATTEMPTS: Final = 10
_PAUSE_S: Final = 0.02
_TRANSIENT: Final = ("08", "40", "53", "57", "58", "55P03", "25006", "25P03", "XX000")
"""Beginnings of SQLSTATEs: it is away, overloaded, full, restarting, or not the primary for now."""
_NO_ACCESS: Final = ("28", "3D", "42501")
_MIGRATING: Final = 0x6D696772


async def open_postgres(url: str, *, silent_s: float) -> PostgresDatabase:
    """Connect to the database at `url`, in any form that libpq takes. Raises SettingsError or CatalogError."""
    engine = _engine(url, silent_s=silent_s)
    database = PostgresDatabase(engine)
    try:
        await database.migrate()
    except BaseException:
        await database.aclose()
        raise
    return database


class PostgresDatabase:
    """See `config.database.Database`. Work runs on the event loop: whenever it waits for the database, others go on."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._views = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._under_way: set[asyncio.Task[Any]] = set()

    async def transaction(self, work: Callable[[sa.Connection], T]) -> T:
        return await self._whole(lambda: self._run(self._engine, work))

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        return await self._whole(lambda: self._run(self._views, work))

    async def aclose(self) -> None:
        while self._under_way:
            await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._engine.dispose()

    async def migrate(self) -> None:
        """Of several that start together one migrates, the others wait."""
        if await self.transaction(_version) == newest_migration():
            return
        from config.migrating import upgrade

        def migrate(tx: sa.Connection) -> None:
            tx.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
            tx.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            upgrade(tx, MIGRATIONS)

        await self.transaction(migrate)

    async def _whole(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """In a task of its own, which a caller that is cancelled does not take along."""
        task = asyncio.ensure_future(self._tried(attempt))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited may have gone

    async def _tried(self, attempt: Callable[[], Awaitable[T]]) -> T:
        for number in range(1, _ATTEMPTS + 1):
            try:
                return await attempt()
            except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                if number == _ATTEMPTS or _sqlstate(error) not in _AGAIN:
                    raise _translated(error) from error
            except (PoolTimeoutError, InvalidRequestError) as error:
                raise _translated(error) from error
            await asyncio.sleep(random.uniform(0.5, 1.5) * _PAUSE_S * number)  # noqa: S311 - jitter
        raise AssertionError("unreachable")

    async def _run(self, engine: AsyncEngine, work: Callable[[sa.Connection], T]) -> T:
        async with engine.begin() as connection:
            return await connection.run_sync(work)


def _engine(url: str, *, silent_s: float) -> AsyncEngine:
    async def connect(*_args: Any, **_options: Any) -> asyncpg.Connection:
        return await asyncpg.connect(
            url,
            timeout=_CONNECT_S,
            command_timeout=_STATEMENT_S,
            server_settings={
                "application_name": "longshore",
                "idle_in_transaction_session_timeout": str(round(silent_s * 1000)),
                "jit": "off",
            },
        )

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=_STATEMENT_S,
    )


def _version(tx: sa.Connection) -> str | None:
    if not sa.inspect(tx).has_table("alembic_version"):
        return None
    return tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _sqlstate(error: BaseException) -> str:
    original = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(original, "sqlstate", None) or "")


def _translated(error: BaseException) -> CatalogError | SettingsError:
    """What a driver's error means to us. A password is in none of them."""
    state = _sqlstate(error)
    original = error.orig if isinstance(error, DBAPIError) else error
    reason = str(original).removeprefix("<class 'asyncpg.exceptions.").strip() or type(original).__name__
    lost = isinstance(original, OSError | TimeoutError | PoolTimeoutError | asyncpg.InterfaceError)
    lost = lost or (isinstance(error, DBAPIError) and error.connection_invalidated)
    if state.startswith(_NO_ACCESS):
        return SettingsError(f"the catalog's database refuses us: {reason}; check LONGSHORE_CATALOG_URL")
    if lost or state.startswith(_TRANSIENT):
        return CatalogUnavailableError(f"the catalog's database is out of reach: {reason}")
    return CatalogError(f"the catalog refused a statement: {reason}")
