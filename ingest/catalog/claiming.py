"""Who may work on what: shards are claimed in fair order, and only what meets nothing that is under way. Pieces of a transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from config.database import alone, db_now
from config.limits import Limits
from ingest.catalog.meeting import Places
from ingest.catalog.shards import Shard, idle_others, load, ms
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
    query = _claimable(workspace, owner=owner, limits=limits, whole_process=run_id is None)
    if run_id is not None:
        query = query.where(runs.c.id == run_id)
    if origin is not None:
        query = query.where(runs.c.origin == origin)
    under_way = _UnderWay(tx)
    for row in tx.execute(_by_run(query)).all():
        if row.state == "running" or row.run_id not in under_way.blocked(row.connection_id):
            first = query.where(runs.c.id == row.run_id).order_by(table.c.worked_at, table.c.id).limit(1)
            return _lease(tx, tx.execute(first).one().id, owner=owner, lease_s=limits.lease_s)
    return None


def _by_run(query: sa.Select[Any]) -> sa.Select[Any]:
    """The runs that such shards are of, the one to go first first: a run may have a thousand."""
    found = query.subquery()
    columns = found.c
    return (
        sa.select(columns.run_id, columns.connection_id, columns.state)
        .group_by(columns.run_id, columns.connection_id, columns.state, columns.leased, columns.created_at)
        .order_by(columns.leased, sa.func.min(columns.worked_at), columns.created_at, columns.run_id)
    )


def _claimable(workspace: str, *, owner: str, limits: Limits, whole_process: bool) -> sa.Select[Any]:
    """Shards that this owner may take, of runs that may have to wait."""
    busy = _busy(owner)
    leased, mine = sa.func.coalesce(busy.c.leased, 0), sa.func.coalesce(busy.c.mine, 0)
    held = table.alias("held")
    at_work = sa.exists().where(held.c.owner == owner, held.c.state == "leased")
    query = (
        sa.select(
            table.c.id,
            table.c.worked_at,
            runs.c.id.label("run_id"),
            runs.c.connection_id,
            runs.c.state,
            runs.c.created_at,
            leased.label("leased"),
        )
        .join(runs, runs.c.id == table.c.run_id)
        .outerjoin(busy, busy.c.connection_id == runs.c.connection_id)
        .where(runs.c.workspace == workspace, leased < limits.shards_per_connection, _ready())
        .where(
            sa.or_(
                table.c.giver.is_(None),
                ~at_work,  # it was given away to whoever is idle; unless nobody takes it
                table.c.rest_until < db_now() - ms(limits.lease_s),
            )
        )
    )
    return query.where(mine < limits.slices_per_connection) if whole_process else query


def _busy(owner: str = "") -> sa.Subquery:
    """Shards that are worked on, by connection: all of them, and those of one owner."""
    mine = sa.func.sum(sa.case((table.c.owner == owner, 1), else_=0))
    return (
        sa.select(runs.c.connection_id, sa.func.count().label("leased"), mine.label("mine"))
        .join(table, table.c.run_id == runs.c.id)
        .where(table.c.state == "leased")
        .group_by(runs.c.connection_id)
        .subquery()
    )


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
        idle=tx.execute(sa.select(idle_others(row.run_id, owner))).scalar_one(),
    )


class _UnderWay:
    """Runs that have not ended, by connection, read once for a claim."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx
        self._blocked: dict[str, frozenset[str]] = {}

    def blocked(self, connection_id: str) -> frozenset[str]:
        """Queued runs that must wait for another."""
        if connection_id not in self._blocked:
            self._blocked[connection_id] = frozenset(self._look(connection_id))
        return self._blocked[connection_id]

    def _look(self, connection_id: str) -> Iterator[str]:
        going = self.of(connection_id)
        places = Places()
        for row in going:
            if row.state == "running":
                places.add(json.loads(row.sources))
        for row in going:
            if row.state == "queued":
                sources = json.loads(row.sources)
                if places.meet(sources):
                    yield row.id
                places.add(sources)

    def of(self, connection_id: str) -> Sequence[sa.Row[str, str, str, int]]:
        """In the order in which they were written."""
        going = sa.select(runs.c.id, runs.c.sources, runs.c.state, runs.c.number).where(
            runs.c.connection_id == connection_id, runs.c.state.in_(("queued", "running"))
        )
        return self._tx.execute(going.order_by(runs.c.number)).all()


def waits_for(tx: sa.Connection, run_id: str) -> list[str]:
    """Runs of the same connection that meet this one's prefixes and go first."""
    connection_id = tx.execute(sa.select(runs.c.connection_id).where(runs.c.id == run_id)).scalar_one()
    others = _UnderWay(tx).of(connection_id)
    mine = next((row for row in others if row.id == run_id), None)
    if mine is None or mine.state == "running":
        return []
    places = Places()
    places.add(json.loads(mine.sources))
    return [
        row.id
        for row in others
        if row.id != run_id
        and (row.state == "running" or row.number < mine.number)
        and places.meet(json.loads(row.sources))
    ]


def waiting(tx: sa.Connection, workspace: str, *, limits: Limits, but: str | None = None) -> tuple[int, float]:
    """Shards that somebody could claim now, and how long the oldest has waited, in seconds. `but`: none of this run."""
    since = sa.case((table.c.worked_at < runs.c.created_at, runs.c.created_at), else_=table.c.worked_at)
    busy = _busy()
    query = (
        sa.select(
            runs.c.id,
            runs.c.connection_id,
            runs.c.state,
            sa.func.count().label("shards"),
            (db_now() - sa.func.min(since)).label("waited_ms"),
        )
        .join(runs, runs.c.id == table.c.run_id)
        .outerjoin(busy, busy.c.connection_id == runs.c.connection_id)
        .where(runs.c.workspace == workspace, _ready())
        .where(sa.func.coalesce(busy.c.leased, 0) < limits.shards_per_connection)
        .group_by(runs.c.id, runs.c.connection_id, runs.c.state)
    )
    under_way = _UnderWay(tx)
    able = [
        row
        for row in tx.execute(query if but is None else query.where(runs.c.id != but)).all()
        if row.state == "running" or row.id not in under_way.blocked(row.connection_id)
    ]
    return sum(row.shards for row in able), max((row.waited_ms for row in able), default=0) / 1000


def expire(tx: sa.Connection, *, lease_s: float) -> None:
    """Take back what silent owners hold. The epoch rises here, so that they are fenced from now on and not only once the
    shard has a new owner. Counts as a failure of the shard: one that ends every worker must not go round for ever.
    """
    alone(tx)
    late = sa.update(table).where(table.c.state == "leased", table.c.lease_until < db_now())
    if tx.dialect.name == "postgresql":  # nobody could renew while the server was down
        late = late.where(db_now() > _server_started() + ms(lease_s))
    tx.execute(
        late.values(state="ready", owner=None, lease_until=None, epoch=table.c.epoch + 1, failures=table.c.failures + 1)
    )


def _server_started() -> sa.ColumnElement[int]:
    return sa.cast(sa.extract("epoch", sa.func.pg_postmaster_start_time()) * 1000, sa.BigInteger)
