"""PostgreSQL as the catalog's database: many machines at once; hides the pool, what is tried again, and how it is migrated."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import asyncpg
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from config.errors import CatalogError, CatalogUnavailableError, SettingsError
from config.pointing import place, readable, tls_mode
from config.refusals import asks_again, cut_off, translated
from config.versions import MIGRATIONS, newest_migration

T = TypeVar("T")

_CONNECTIONS: Final = 8
"""Of one process, to work with at the same time."""
_CONNECT_S: Final = 10.0
_STATEMENT_S: Final = 60.0
_GOODBYE_S: Final = 5.0
_ATTEMPTS: Final = 10
_CUT_OFF: Final = 2
"""How many times a transaction whose connection was lost is begun again: a server that restarts, or one that takes over."""
_PAUSE_S: Final = 0.02
_MIGRATING: Final = 0x6D696772
_FAILURES: Final = (
    DBAPIError,
    DisconnectionError,
    PendingRollbackError,
    PoolTimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
_SCHEME: Final = re.compile(r"(postgres|postgresql)(\+asyncpg)?://", re.IGNORECASE)


async def open_postgres(url: str, *, silent_s: float) -> PostgresDatabase:
    """Connect to the database at `url`, in any form that libpq takes. Raises SettingsError or CatalogError."""
    database = PostgresDatabase(_engine(url, silent_s=silent_s), place(url))
    try:
        if await database.transaction(_version) != newest_migration():
            await _migrate(url)
        database.opened()
    except BaseException:
        await database.aclose()
        raise
    return database


class PostgresDatabase:
    """See `config.database.Database`. Work runs on the event loop: whenever it waits for the database, others go on."""

    def __init__(self, engine: AsyncEngine, where: str | None) -> None:
        self._engine = engine
        self._where = where
        self._views = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._under_way: set[asyncio.Task[Any]] = set()
        self._opened = False

    async def transaction(self, work: Callable[[sa.Connection], T]) -> T:
        return await self._whole(self._engine, work)

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        return await self._whole(self._views, work)

    async def aclose(self) -> None:
        while self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=_GOODBYE_S)
            for task in late:  # a server that does not answer must not hold up a process that ends
                task.cancel()
        await self._engine.dispose()

    def opened(self) -> None:
        """It is a catalog, and takes us. From now on a refusal is an outage: a password that is being changed must not end runs."""
        self._opened = True

    def _told(self, error: CatalogError | SettingsError) -> CatalogError | SettingsError:
        if self._opened and isinstance(error, SettingsError):
            return CatalogUnavailableError(error.message)
        return error

    async def _whole(self, engine: AsyncEngine, work: Callable[[sa.Connection], T]) -> T:
        """In a task of its own, which a caller that is cancelled does not take along."""
        task = asyncio.ensure_future(self._tried(engine, work))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited may have gone

    async def _tried(self, engine: AsyncEngine, work: Callable[[sa.Connection], T]) -> T:
        for number in range(1, _ATTEMPTS + 1):
            attempt = _Attempt()
            try:
                return await attempt.run(engine, work)
            except _FAILURES as error:
                again = asks_again(error) or (attempt.undone and number <= _CUT_OFF and cut_off(error))
                if number == _ATTEMPTS or not again:
                    raise self._told(translated(error, place=self._where)) from error
            except SettingsError as error:
                raise self._told(error) from error
            await asyncio.sleep(random.uniform(0.5, 1.5) * _PAUSE_S * number)  # noqa: S311 - jitter
        raise AssertionError("unreachable")


class _Attempt:
    """One transaction, from its first statement to its end."""

    def __init__(self) -> None:
        self.undone = True
        """Whether nothing of it can be in the database, since no COMMIT was sent. After that, its caller must look."""

    async def run(self, engine: AsyncEngine, work: Callable[[sa.Connection], T]) -> T:
        async with engine.begin() as connection:
            result = await connection.run_sync(work)
            self.undone = False
            return result


async def _migrate(url: str) -> None:
    """Of several that start together one migrates, the others wait for as long as it takes."""
    from config.migrating import upgrade

    def migrate(tx: sa.Connection) -> None:
        tx.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
        upgrade(tx, MIGRATIONS)

    patient = PostgresDatabase(_engine(url, silent_s=0.0, statement_s=None), place(url))
    try:
        await patient.transaction(migrate)
    finally:
        await patient.aclose()


def _engine(url: str, *, silent_s: float, statement_s: float | None = _STATEMENT_S) -> AsyncEngine:
    dsn = _dsn(url)

    async def connect(*_args: Any, **_options: Any) -> asyncpg.Connection:
        try:
            return await asyncpg.connect(
                dsn,
                timeout=_CONNECT_S,
                command_timeout=statement_s,
                server_settings={
                    "application_name": "longshore",
                    # whoever is frozen or cut off inside a transaction must let others have what it holds
                    "idle_in_transaction_session_timeout": str(round(silent_s * 1000)),
                    "jit": "off",
                    # a plan that was made when a table was empty would be kept while it grows
                    "plan_cache_mode": "force_custom_plan",
                    # a page of rows is read in the order of its index and no further than asked, whatever statistics say
                    "enable_bitmapscan": "off",
                },
            )
        except (ValueError, FileNotFoundError) as error:
            if isinstance(error, FileNotFoundError) and "sslrootcert=" not in dsn and "sslcert=" not in dsn:
                raise  # the socket of a server that does not run
            raise _unusable(error, dsn) from None
        except TimeoutError:
            raise TimeoutError(f"no answer within {_CONNECT_S:.0f} s") from None
        except ConnectionError as error:
            if "rejected SSL upgrade" not in str(error):
                raise
            raise _without_tls(dsn) from None
        except (asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError) as error:
            raise SettingsError(f"LONGSHORE_CATALOG_URL asks for an option that can't be set: {error}") from error

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=_STATEMENT_S,
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "checkout")
    def _alive(_connection: Any, record: Any, _proxy: Any) -> None:
        """One that the server has closed meanwhile is replaced before anybody notices."""
        if record.driver_connection.is_closed():
            raise DisconnectionError

    return engine


def _dsn(url: str) -> str:
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise SettingsError(
            "LONGSHORE_CATALOG_URL names a driver that longshore does not use; write postgresql://user:password@host/name"
        )
    return f"postgresql://{url[scheme.end() :]}"


def _unusable(error: Exception, dsn: str) -> SettingsError:
    """Says little: where a password is not escaped, an error may show a part of it as a host or a port."""
    said = ""
    if isinstance(error, FileNotFoundError):
        said = ": a file that sslrootcert or sslcert names does not exist"
    elif isinstance(error, asyncpg.InterfaceError) and str(error).startswith("root certificate file"):
        return SettingsError(
            f"LONGSHORE_CATALOG_URL asks for {tls_mode(dsn) or 'a verified server'}, but there is no file of authorities "
            "(~/.postgresql/root.crt); add sslrootcert=/path/to/ca.pem"
        )
    elif str(error).startswith("invalid literal for int()") and readable(dsn):
        said = ": the port is no number"
    elif isinstance(error, asyncpg.InterfaceError) and "ssl" in str(error).lower():
        said = f": {error}"
    return SettingsError(
        f"LONGSHORE_CATALOG_URL can't be used{said}; write postgresql://user:password@host:port/name?sslmode=verify-full, "
        "with %40 for @, %2F for / and %3A for : in a password"
    )


def _without_tls(dsn: str) -> SettingsError:
    where = f" at {at}" if (at := place(dsn)) else ""
    asks = f"sslmode={mode} asks for it" if (mode := tls_mode(dsn)) else "it is asked for"
    return SettingsError(
        f"the catalog's database{where} has no TLS, and {asks}; "
        "switch it on there (ssl = on), or write sslmode=prefer in LONGSHORE_CATALOG_URL"
    )


def _version(tx: sa.Connection) -> str | None:
    """The catalog's; None if there is none yet. Raises SettingsError for a database that could not keep every text."""
    encoding = tx.connection.driver_connection.get_settings().server_encoding  # type: ignore[union-attr]  # it is connected
    if encoding != "UTF8":
        raise SettingsError(
            f"the database that LONGSHORE_CATALOG_URL names has the encoding {encoding}, which holds few of the texts that S3 does; "
            "make another one: CREATE DATABASE longshore ENCODING 'UTF8' TEMPLATE template0"
        )
    if not sa.inspect(tx).has_table("alembic_version"):
        return None
    return tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
