"""What a run found missing, and what becomes of it: removed or taken back, so many rows at a time. Pieces of a transaction."""

from __future__ import annotations

import sqlalchemy as sa

from config.database import db_now
from ingest.catalog.assets import unmarked
from ingest.catalog.tables import assets as table
from ingest.catalog.tables import runs


def left(tx: sa.Connection, run_id: str) -> bool:
    """Whether marks of this run still stand. Those that a later run judged anew are its own."""
    return bool(tx.execute(sa.select(sa.exists().where(*_of(run_id)))).scalar_one())


def remove(tx: sa.Connection, run_id: str, *, most: int) -> None:
    """Make the first `most` that are left removed, and count them in the run."""
    removed = tx.execute(sa.update(table).where(*_next(tx, run_id, most)).values(state="removed", changed_at=db_now()))
    tx.execute(sa.update(runs).where(runs.c.id == run_id).values(removed=runs.c.removed + removed.rowcount))


def take_back(tx: sa.Connection, run_id: str, *, most: int) -> None:
    """Give the first `most` that are left the state that they had."""
    tx.execute(sa.update(table).where(*_next(tx, run_id, most)).values(state=unmarked(), changed_at=db_now()))


def _of(run_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.run_id == run_id, table.c.state == "missing"


def _next(tx: sa.Connection, run_id: str, most: int) -> tuple[sa.ColumnElement[bool], ...]:
    """The next rows in key order: of one bucket, up to the last key that is not too much."""
    marked = _of(run_id)
    bucket = tx.execute(sa.select(table.c.bucket).where(*marked).order_by(table.c.bucket).limit(1)).scalar()
    marked += (table.c.bucket == bucket,)
    last = sa.select(table.c.key).where(*marked).order_by(table.c.key).offset(most - 1).limit(1)
    key = tx.execute(last).scalar()
    return marked if key is None else (*marked, table.c.key <= key)
