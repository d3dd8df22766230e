"""Handing over: the flags of workers that have nothing to do, and shards cut off for them. Pieces of a transaction."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import sqlalchemy as sa

from config.database import db_now
from ingest.catalog.shards import Shard, Todo, dump, ms
from ingest.catalog.tables import idle as table
from ingest.catalog.tables import runs
from ingest.catalog.tables import shards as shard_table

Gift = tuple[Todo, ...]
"""What one shard gives away, for a shard of its own."""


def raise_flag(tx: sa.Connection, *, owner: str, workspace: str, seconds: float) -> bool:
    """Say for so long that this worker has nothing to do. Not if it holds a shard. Returns whether it said so.

    Flags of workers that fell silent are cleared away. Whoever calls it decides about claims, hence is `alone`.
    """
    held = sa.select(shard_table.c.id).where(shard_table.c.owner == owner, shard_table.c.state == "leased").limit(1)
    if tx.execute(held).one_or_none() is not None:
        return False
    tx.execute(sa.delete(table).where(sa.or_(table.c.owner == owner, table.c.until < db_now())))
    tx.execute(sa.insert(table).values(owner=owner, workspace=workspace, until=db_now() + ms(seconds)))
    return True


def lower_flag(tx: sa.Connection, *, owner: str) -> None:
    """It has something to do, or stops."""
    tx.execute(sa.delete(table).where(table.c.owner == owner))


def hand_over(tx: sa.Connection, giver: Shard, gifts: Sequence[Gift]) -> None:
    """Write shards of the same run with what was cut off `giver`, whose fence must have been passed; answer as many flags."""
    tx.execute(
        sa.insert(shard_table).values(rest_until=db_now()),
        [
            {
                "id": f"{giver.run_id}-{secrets.token_hex(6)}",
                "run_id": giver.run_id,
                "kind": "list",
                "state": "ready",
                "giver": giver.owner,
                "ranges": dump(gift),
            }
            for gift in gifts
        ],
    )
    workspace = sa.select(runs.c.workspace).where(runs.c.id == giver.run_id).scalar_subquery()
    up = sa.select(table.c.owner).where(
        table.c.workspace == workspace, table.c.until > db_now(), table.c.owner != giver.owner
    )
    # another owner may be answering some of them at this moment: those are left to it
    answered = up.order_by(table.c.until).limit(len(gifts)).with_for_update(skip_locked=True)
    tx.execute(sa.delete(table).where(table.c.owner.in_(answered)))
