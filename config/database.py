"""The database behind the catalog: its transactions, its clock, its lock. Hides which database it is; SQLite serves one machine,
PostgreSQL many.

Work on the database is a plain function that takes a `sqlalchemy.Connection`. It runs whole, in one transaction: nothing else is
awaited inside a transaction, and nobody can cancel half of one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from config.errors import SettingsError

T = TypeVar("T")

metadata = sa.MetaData()
"""Every table of the catalog registers here; `migrations/` builds the same."""

Text: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text that identifies or sorts: by its bytes, whatever language the database was made for."""
_ALONE: Final = 0x6C6F6E67
"""The number of our advisory lock."""


class db_now(FunctionElement[int]):  # noqa: N801 - reads as the SQL function it is
    """The database's clock, Unix time in milliseconds. Leases use no other clock."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(db_now, "sqlite")
def _sqlite_now(_element: db_now, _compiler: Any, **_options: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


@compiles(db_now, "postgresql")
def _postgres_now(_element: db_now, _compiler: Any, **_options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"


def summed(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """The sum of whole numbers as a whole number, 0 of none: PostgreSQL's own sum of them is a decimal."""
    return sa.cast(sa.func.coalesce(sa.func.sum(column), 0), sa.BigInteger)


def alone(tx: sa.Connection) -> None:
    """Wait until no other transaction that asked for the same is under way: for those that decide who works on what.

    SQLite has one writer at a time anyway. Must come before any row is locked.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_ALONE)))


class Database(Protocol):
    """Transactions and reads on one catalog. Made by `open_database`."""

    async def transaction(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in one write transaction and commit it; an exception rolls it back. It may run again, if the database asks for it
        or is lost before it hears of a COMMIT: then nothing of the time before is left.

        Raises CatalogUnavailableError where trying again may help. When it comes from the COMMIT itself the outcome is unknown.
        A cancelled caller stops waiting; what already runs is still committed or rolled back whole.
        """
        ...

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` on one consistent view of the catalog. Raises as `transaction` does."""
        ...

    async def aclose(self) -> None: ...


@asynccontextmanager
async def open_database(url: str, *, silent_s: float = 10.0) -> AsyncGenerator[Database]:
    """Open the catalog at `url` (`sqlite:///path` or `postgresql://...`), creating its tables and migrating them as needed.

    Whoever falls silent within a transaction holds up others for `silent_s` at most, if the database can end it.
    Raises SettingsError for a URL that can't be used or names no catalog, CatalogError for a catalog of a newer version.
    """
    database = await _open(url, silent_s=silent_s)
    try:
        yield database
    finally:
        await database.aclose()


async def _open(url: str, *, silent_s: float) -> Database:
    kind = url.partition(":")[0].partition("+")[0].lower()
    if kind == "sqlite":
        from config import sqlite

        return await sqlite.open_sqlite(url)
    if kind in ("postgresql", "postgres"):
        from config import postgres

        return await postgres.open_postgres(url, silent_s=silent_s)
    what = f"names a {kind} database" if "://" in url and kind.isalnum() else "is no database URL"
    raise SettingsError(
        f"LONGSHORE_CATALOG_URL {what}; longshore keeps its catalog in SQLite or PostgreSQL: "
        "write sqlite:///path/to/longshore.db or postgresql://user:password@host/name"
    )
