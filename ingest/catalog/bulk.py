"""Thousands of asset rows in a few statements; hides how each database is fed without the interpreter's lock being taken for each row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from config.database import db_now
from ingest.catalog import copying
from ingest.catalog.contents import replaced
from ingest.catalog.tables import IDENTITY, NOW
from ingest.catalog.tables import assets as table

Part = Sequence[Sequence[Any]]
"""Rows as columns."""
_VARIABLES: Final = 32_000
"""Bound values in one statement; SQLite allows 32,766."""
_ROWS: Final = 2_048
"""More in one statement are no faster, and hold the lock for longer while they are bound."""


def ready(tx: sa.Connection, names: Sequence[str], parts: Sequence[Part]) -> Callable[[Mapping[str, Any]], None]:
    """Bring rows as near to the table as they get without a lock, and return what does the rest: it inserts or replaces them.

    The columns of each part are the first of `names`; the mapping that is given last holds the values that all rows share. What is
    in neither becomes NULL, so that nothing of an object's former self stays beside its new one; `first_seen_at` is kept, and what
    `contents` keeps of an object that is still the same.
    """
    if tx.dialect.name == "postgresql":
        copying.stage(tx, parts, names=names)
        return lambda common: copying.merge(tx, names=names, common=common)

    def write(common: Mapping[str, Any]) -> None:
        now = tx.execute(sa.select(db_now())).scalar_one()
        for columns in parts:
            _upsert(tx, names[: len(columns)], columns, common, now=now)

    return write


def _upsert(tx: sa.Connection, names: Sequence[str], columns: Part, common: Mapping[str, Any], *, now: int) -> None:
    shared = [*common.values(), *(now for _ in NOW)]
    width, count = len(names), len(columns[0])
    for first, rows in _chunks(count, most=min(_ROWS, (_VARIABLES - len(shared)) // width)):
        values: list[Any] = [None] * (rows * width)
        for place, column in enumerate(columns):
            values[place::width] = column[first : first + rows]
        tx.exec_driver_sql(_statement(tuple(names), tuple(common), rows), tuple(shared + values))


def _chunks(count: int, *, most: int) -> Iterator[tuple[int, int]]:
    """Where each begins and how long it is: always a power of two, so that there are few different statements to prepare."""
    first = 0
    while first < count:
        rows = 1 << (min(most, count - first).bit_length() - 1)
        yield first, rows
        first += rows


@lru_cache(maxsize=64)
def _statement(names: tuple[str, ...], common: tuple[str, ...], rows: int) -> str:
    """One INSERT of so many rows. Names are those of our own columns."""
    shared = {name: f"every.{name}" for name in (*common, *NOW)}
    values = dict.fromkeys(table.c.keys(), "NULL")
    values |= shared | {name: f"each.column{number}" for number, name in enumerate(names, start=1)}
    once = ", ".join(f"? AS {name}" for name in shared)
    row = f"({', '.join('?' * len(names))})"
    changed = ", ".join(f"{name} = {value}" for name, value in replaced().items())
    return (
        f"INSERT INTO assets ({', '.join(values)}) SELECT {', '.join(values.values())} "  # noqa: S608 - see above
        f"FROM (SELECT {once}) every, (VALUES {', '.join([row] * rows)}) each WHERE true "
        f"ON CONFLICT ({', '.join(IDENTITY)}) DO UPDATE SET {changed}"
    )
