"""Whether a catalog holds exactly what the bucket does: hides the catalog's table from the harness."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from benchmarks.spaces import objects_of, space_of


class WrongRowsError(Exception):
    """The catalog and the bucket differ; says where first."""


def check_rows(catalog: Path, *, shape: str, keys: int, depth: str) -> None:
    """Every key once, in its place, with its size and ETag, at this depth. Raises WrongRowsError."""
    space, objects = space_of(shape, keys), objects_of(shape)
    known = [(one.size, one.etag) for one in map(objects.describe, range(objects.variety))]
    with closing(sqlite3.connect(catalog)) as database:
        rows = database.execute("SELECT key, size, etag, state, depth FROM assets ORDER BY key")
        for index in range(keys):
            expected = (space.key(index), *known[index % objects.variety], "present", depth)
            row = rows.fetchone()
            if row != expected:
                raise WrongRowsError(f"row {index}: expected {expected}, found {row}")
        if rows.fetchone() is not None:
            raise WrongRowsError(f"more than {keys} rows")


def newest_change(catalog: Path) -> tuple[int, int]:
    """Rows of assets, and the time of the newest change in them (Unix milliseconds): what a re-run must leave alone."""
    with closing(sqlite3.connect(catalog)) as database:
        count, newest = database.execute("SELECT count(*), max(changed_at) FROM assets").fetchone()
        return int(count), int(newest)
