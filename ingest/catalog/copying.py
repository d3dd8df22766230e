"""Thousands of asset rows through COPY; hides the stage that PostgreSQL merges them from, and how the driver is reached from a transaction.

Rows go to a stage of the connection's own first, and from there into the table. So the slow part, which is to send them, holds no
lock that anybody else may wait for; a worker that freezes while it sends is not even noticed by the database, which waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.util import await_only

from ingest.catalog.contents import replaced
from ingest.catalog.tables import IDENTITY, NOW, OF_VERSIONS

_STAGE: Final = "longshore_stage"
_TYPES: Final = {
    "key": "bytea",
    "size": "bigint",
    "width": "integer",
    "height": "integer",
    "duration_s": "double precision",
    "is_latest": "boolean",
    "is_delete_marker": "boolean",
}
"""Of the columns of `Asset`, and of those of versions; all others are text."""


def stage(tx: sa.Connection, parts: Sequence[Sequence[Sequence[Any]]], *, names: Sequence[str]) -> None:
    """Bring rows to the stage, which a commit and a rollback empty: each part as columns by the first of `names`."""
    there = tx.exec_driver_sql(
        f"SELECT to_regclass('pg_temp.{_STAGE}') IS NOT NULL"
    ).scalar_one()  # a rollback takes it away
    if there and tx.info.get(_STAGE) is tx.get_transaction():
        tx.exec_driver_sql(f"TRUNCATE {_STAGE}")  # the second time in one transaction
    tx.info[_STAGE] = tx.get_transaction()
    if not there:
        columns = ", ".join(f"{name} {_TYPES.get(name, 'text')}" for name in dict.fromkeys((*names, *OF_VERSIONS)))
        tx.exec_driver_sql(f"CREATE TEMPORARY TABLE {_STAGE} ({columns}) ON COMMIT DELETE ROWS")
    driver: Any = tx.connection.driver_connection  # asyncpg.Connection, in the transaction that has begun above
    for columns_of in parts:
        rows = zip(*columns_of, strict=True)
        await_only(driver.copy_records_to_table(_STAGE, records=rows, columns=names[: len(columns_of)]))


def merge(tx: sa.Connection, *, names: Sequence[str], common: Mapping[str, Any]) -> None:
    """Insert or replace what is on the stage, in key order; see `bulk.upsert`."""
    tx.exec_driver_sql(_statement(tuple(names), tuple(common)), tuple(common.values()))


@cache
def _statement(names: tuple[str, ...], common: tuple[str, ...]) -> str:
    """Names are those of our own columns."""
    values = dict(zip(common, (f"${number}" for number in range(1, len(common) + 1)), strict=True))
    values |= dict.fromkeys(NOW, "now.now")
    values |= {name: f"stage.{name}" for name in names}
    changed = ", ".join(f"{name} = {value}" for name, value in replaced().items())
    order = "stage.key, stage.version_id" if "version_id" in names else "stage.key"
    clock = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) AS now OFFSET 0"
    return (
        f"INSERT INTO assets ({', '.join(values)}) SELECT {', '.join(values.values())} "  # noqa: S608 - see above
        f"FROM {_STAGE} stage CROSS JOIN ({clock}) now ORDER BY {order} "
        f"ON CONFLICT ({', '.join(IDENTITY)}) DO UPDATE SET {changed}"
    )
