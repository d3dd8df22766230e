"""Who may work on what: shards are claimed in fair order, and only what meets nothing that is under way. Pieces of a transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa

from config.database import alone, db_now
from config.settings import Limits
from ingest.catalog.shards import Shard, load, ms
from ingest.catalog.tables import runs
from ingest.catalog.tables import shards as table

_OPEN = ("ready", "leased")


def claim(
    tx: sa.Connection,
    *,
    workspace: str,
    owner: str,
    limits: Limits,
    run_id: str | None = None,
    origin: str | None = None,
) -> Shard | None:
    """Take the next shard that is ready: of the connection with the fewest shards being worked on, the one that waits longest.

    A run begins only when no other that meets its prefixes is under way, and none that does was written before it: else each
    would judge by what it saw of the other. So it holds all of its prefixes or none.
    """
    alone(tx)
    busy = (
        sa.select(runs.c.connection_id, sa.func.count().label("busy"))
        .join(table, table.c.run_id == runs.c.id)
        .where(table.c.state == "leased")
        .group_by(runs.c.connection_id)
        .subquery()
    )
    leased = sa.func.coalesce(busy.c.busy, 0)
    query = (
        sa.select(table.c.id, runs.c.id.label("run_id"), runs.c.connection_id, runs.c.state)
        .join(runs, runs.c.id == table.c.run_id)
        .outerjoin(busy, busy.c.connection_id == runs.c.connection_id)
        .where(runs.c.workspace == workspace, leased < limits.shards_per_connection, _ready())
        .where(
            sa.or_(
                table.c.giver.is_(None),
                table.c.giver != owner,  # it was given away to whoever is idle; unless nobody takes it
                table.c.rest_until < db_now() - ms(limits.lease_s),
            )
        )
        .order_by(leased, table.c.worked_at, runs.c.created_at, table.c.id)
    )
    if run_id is not None:
        query = query.where(runs.c.id == run_id)
    if origin is not None:
        query = query.where(runs.c.origin == origin)
    under_way = _UnderWay(tx)
    for row in tx.execute(query).all():
        if row.state == "running" or not under_way.before(row.connection_id, row.run_id):
            return _lease(tx, row.id, owner=owner, lease_s=limits.lease_s)
    return None


def _ready() -> sa.ColumnElement[bool]:
    """Shards that somebody may work on now; what closes a run comes when all of it is listed."""
    other = table.alias("other")
    still = sa.exists().where(other.c.run_id == table.c.run_id, other.c.kind == "list", other.c.state.in_(_OPEN))
    rested = table.c.rest_until <= db_now()
    return sa.and_(table.c.state == "ready", rested, sa.or_(table.c.kind == "list", ~still))


def _lease(tx: sa.Connection, shard_id: str, *, owner: str, lease_s: float) -> Shard:
    lease = {"state": "leased", "owner": owner, "lease_until": db_now() + ms(lease_s), "worked_at": db_now()}
    tx.execute(sa.update(table).where(table.c.id == shard_id).values(lease))
    row = tx.execute(sa.select(table).where(table.c.id == shard_id)).one()
    return Shard(
        id=row.id,
        run_id=row.run_id,
        owner=owner,
        epoch=row.epoch,
        seq=row.seq,
        todo=load(row.ranges),
        failures=row.failures,
        kind=row.kind,
    )


class _UnderWay:
    """Runs that have not ended, by connection, read once for a claim."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx
        self._by_connection: dict[str, Sequence[sa.Row[str, str, str, int]]] = {}

    def before(self, connection_id: str, run_id: str) -> list[str]:
        """Those that a queued run must wait for, in the order in which they were written."""
        if connection_id not in self._by_connection:
            going = sa.select(runs.c.id, runs.c.sources, runs.c.state, runs.c.number).where(
                runs.c.connection_id == connection_id, runs.c.state.in_(("queued", "running"))
            )
            self._by_connection[connection_id] = self._tx.execute(going.order_by(runs.c.number)).all()
        others = self._by_connection[connection_id]
        mine = next((row for row in others if row.id == run_id), None)
        if mine is None or mine.state == "running":
            return []
        return [
            row.id
            for row in others
            if row.id != run_id
            and (row.state == "running" or row.number < mine.number)
            and _intersect(row.sources, mine.sources)
        ]


def waits_for(tx: sa.Connection, run_id: str) -> list[str]:
    """Runs of the same connection that meet this one's prefixes and go first."""
    connection_id = tx.execute(sa.select(runs.c.connection_id).where(runs.c.id == run_id)).scalar_one()
    return _UnderWay(tx).before(connection_id, run_id)


def _intersect(one: str, other: str) -> bool:
    """Whether two runs' sources have a key in common. A prefix in hex begins with another exactly if their bytes do."""
    return any(
        bucket == theirs and (prefix.startswith(above) or above.startswith(prefix))
        for bucket, prefix in json.loads(one)
        for theirs, above in json.loads(other)
    )


def waiting(tx: sa.Connection, workspace: str) -> tuple[int, float]:
    """Shards that are ready to be claimed now, and how long the oldest has waited, in seconds."""
    since = sa.case((table.c.worked_at < runs.c.created_at, runs.c.created_at), else_=table.c.worked_at)
    query = (
        sa.select(sa.func.count(), sa.func.coalesce(db_now() - sa.func.min(since), 0))
        .join(runs, runs.c.id == table.c.run_id)
        .where(runs.c.workspace == workspace, _ready())
    )
    count, waited_ms = tx.execute(query).one()
    return count, max(0, waited_ms) / 1000


def expire(tx: sa.Connection) -> None:
    """Take back what silent owners hold. The epoch rises here, so that they are fenced from now on and not only once the
    shard has a new owner. Counts as a failure of the shard: one that ends every worker must not go round for ever.
    """
    alone(tx)
    late = sa.update(table).where(table.c.state == "leased", table.c.lease_until < db_now())
    tx.execute(
        late.values(state="ready", owner=None, lease_until=None, epoch=table.c.epoch + 1, failures=table.c.failures + 1)
    )
