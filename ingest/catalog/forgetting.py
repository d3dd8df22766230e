"""Deletes what a removed connection left, some rows at a time; hides that it may be interrupted, and the connection revived meanwhile.

Each step looks for itself what comes next: spans first, the oldest run's first, since they speak of the records; then the records;
then the runs. So wherever it stops, no run that comes later remembers a page of which the rows are gone.
"""

from __future__ import annotations

import sqlalchemy as sa

from config.database import alone
from config.errors import ConnectionRuleError
from credentials.tables import connections
from ingest.catalog.purging import Gone, delete_runs, drop_spans
from ingest.catalog.runs import GOING
from ingest.catalog.tables import assets, runs, spans


def step(tx: sa.Connection, connection_id: str, *, kept_id: str, rows: int) -> tuple[Gone, bool]:
    """Delete so many rows at most. Returns what, and whether to come again. `kept_id`: the connection's row.

    Raises ConnectionRuleError if the connection is in use: then its records are, too.
    """
    alone(tx)  # no run of it begins before this is committed
    _check_unused(tx, connection_id, kept_id)
    has_spans = sa.exists().where(spans.c.run_id == runs.c.id)
    mine = sa.select(runs.c.id).where(runs.c.connection_id == connection_id)
    oldest = tx.execute(mine.where(has_spans).order_by(runs.c.number).limit(1)).scalar_one_or_none()
    if oldest is not None:
        return Gone(spans=drop_spans(tx, oldest, rows=rows)), True
    if gone := _drop_assets(tx, connection_id, rows=rows):
        return Gone(assets=gone), True
    deleted, more = delete_runs(tx, mine, rows=rows)
    return Gone(runs=deleted), more


def left(tx: sa.Connection, connection_id: str, *, kept_id: str) -> Gone:
    """What there is to delete. Raises as `step` does."""
    _check_unused(tx, connection_id, kept_id)
    count = sa.func.count()
    mine = runs.c.connection_id == connection_id
    return Gone(
        spans=tx.execute(
            sa.select(count).select_from(spans).join(runs, spans.c.run_id == runs.c.id).where(mine)
        ).scalar_one(),
        assets=tx.execute(sa.select(count).where(assets.c.connection_id == connection_id)).scalar_one(),
        runs=tx.execute(sa.select(count).where(mine)).scalar_one(),
    )


def _check_unused(tx: sa.Connection, connection_id: str, kept_id: str) -> None:
    query = sa.select(connections.c.name, connections.c.removed_at).where(connections.c.id == kept_id)
    connection = tx.execute(query).one()
    if connection.removed_at is None:
        raise ConnectionRuleError(
            f"connection {connection.name!r} is there, and so its records are in use; `longshore connections remove {connection.name}` "
            "comes first"
        )
    going = sa.select(runs.c.id).where(runs.c.connection_id == connection_id, runs.c.state.in_(GOING)).limit(1)
    if (run_id := tx.execute(going).scalar_one_or_none()) is not None:
        raise ConnectionRuleError(
            f"run {run_id} of connection {connection.name!r} has not ended; wait for it, or end it with `longshore runs cancel {run_id}`"
        )


def _drop_assets(tx: sa.Connection, connection_id: str, *, rows: int) -> int:
    key = (assets.c.connection_id, assets.c.bucket, assets.c.key, assets.c.version_id)
    some = sa.select(*key).where(assets.c.connection_id == connection_id).limit(rows)
    return tx.execute(sa.delete(assets).where(sa.tuple_(*key).in_(some))).rowcount
