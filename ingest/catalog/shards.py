"""Shards: what is left to do, under a lease, behind a fence. Every function is one piece of a transaction."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from operator import itemgetter

import sqlalchemy as sa

from config.database import db_now
from config.errors import FencedError
from ingest.catalog.tables import idle, runs
from ingest.catalog.tables import shards as table
from ingest.model import Range

Todo = tuple[int, Range]
"""A source by its number, and the range of it that is still to do."""


Leases = dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A shard as its owner holds it. `epoch` and `seq` are the fence: whoever writes must name both as they are in the catalog."""

    id: str
    run_id: str
    owner: str
    epoch: int
    seq: int
    todo: tuple[Todo, ...]
    failures: int
    kind: str = "list"
    """`list`, or `close`: what is done once everything is listed."""
    idle: int = 0
    """Other workers that had nothing to do when the catalog was last asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was spent on a shard: requests by class, and bytes read."""

    list: int = 0
    head: int = 0
    get: int = 0
    tags: int = 0
    copy: int = 0
    sts: int = 0
    bytes: int = 0

    def __sub__(self, other: Usage) -> Usage:
        return Usage(**{name: count - getattr(other, name) for name, count in asdict(self).items()})


REQUESTS = ("list", "head", "get", "tags", "copy", "sts")
"""Classes of requests, as `Usage` names them; a column of the table counts each."""


def create(tx: sa.Connection, run_id: str, *, sources: int, asked: Sequence[Todo] | None = None) -> None:
    """One shard per source, each with the whole of it to do, and the one that closes the run.

    If not all is `asked` for, with these ranges, which are in the order of sources.
    """
    whole: Sequence[Todo] = [(source, Range()) for source in range(sources)]
    lists = [
        {"id": f"{run_id}-{secrets.token_hex(3)}-{source}", "kind": "list", "ranges": dump(todo)}
        for source, todo in groupby(whole if asked is None else asked, key=itemgetter(0))
    ]
    close = {"id": f"{run_id}-close", "kind": "close", "ranges": dump([])}
    tx.execute(sa.insert(table).values(run_id=run_id, state="ready"), [*lists, close])


def renew(tx: sa.Connection, shard: Shard, *, lease_s: float) -> int:
    """Say that the owner is alive. Returns how many others have nothing to do.

    Raises FencedError if it is the owner no more; a shard that it finished needs no lease.
    """
    try:
        return _held(tx, shard, lease_until=db_now() + ms(lease_s))
    except FencedError:
        finished = sa.select(table.c.id).where(
            table.c.id == shard.id, table.c.epoch == shard.epoch, table.c.state == "done"
        )
        if tx.execute(finished).one_or_none() is None:
            raise
        return 0


def idle_others(run_id: str, owner: str) -> sa.ScalarSelect[int]:
    """How many others have nothing to do in the workspace of a run: a column of whatever statement asks anyway."""
    workspace = sa.select(runs.c.workspace).where(runs.c.id == run_id).scalar_subquery()
    up = sa.select(sa.func.count()).select_from(idle)
    return up.where(idle.c.workspace == workspace, idle.c.until > db_now(), idle.c.owner != owner).scalar_subquery()


def advance(
    tx: sa.Connection, shard: Shard, *, todo: Sequence[Todo], steps: int, usage: Usage, lease_s: float
) -> Shard:
    """The fence of every commit: move on by so many `seq`, with these ranges left. Raises FencedError and must come first."""
    fence = sa.update(table).where(
        table.c.id == shard.id, table.c.epoch == shard.epoch, table.c.seq == shard.seq, table.c.state == "leased"
    )
    left = {} if todo else {"state": "done", "owner": None, "lease_until": None}
    values = {"seq": table.c.seq + steps, "ranges": dump(todo), "lease_until": db_now() + ms(lease_s), "failures": 0}
    moved = fence.values({**values, **_spent(usage), **left})
    others = tx.execute(moved.returning(idle_others(shard.run_id, shard.owner))).scalar_one_or_none()
    if others is None:
        raise _fenced(shard)
    return replace(shard, seq=shard.seq + steps, todo=tuple(todo), failures=0, idle=others)


def step(tx: sa.Connection, shard: Shard, *, lease_s: float, done: bool = False) -> Shard:
    """The fence of each step that closes a run: it takes one `seq`. Raises FencedError and must come before any other row is written."""
    fence = sa.update(table).where(
        table.c.id == shard.id, table.c.epoch == shard.epoch, table.c.seq == shard.seq, table.c.state == "leased"
    )
    held = {"state": "done", "owner": None, "lease_until": None} if done else {"lease_until": db_now() + ms(lease_s)}
    if not tx.execute(fence.values(seq=table.c.seq + 1, failures=0, **held)).rowcount:
        raise _fenced(shard)
    return replace(shard, seq=shard.seq + 1, failures=0)


def reopen(tx: sa.Connection, run_id: str) -> None:
    """What closes the run is to be done again; whoever worked on it is fenced."""
    closing = sa.update(table).where(table.c.run_id == run_id, table.c.kind == "close")
    tx.execute(
        closing.values(
            state="ready", owner=None, lease_until=None, rest_until=0, failures=0, worked_at=0, epoch=table.c.epoch + 1
        )
    )


def committed(tx: sa.Connection, shard: Shard, *, steps: int) -> bool:
    """Whether the commit of so many steps that followed `shard` is in the catalog: only its holder can move `seq` within an epoch."""
    now = tx.execute(sa.select(table.c.epoch, table.c.seq).where(table.c.id == shard.id)).one()
    return bool(now.epoch == shard.epoch and now.seq == shard.seq + steps)


def give_back(tx: sa.Connection, shard: Shard, *, usage: Usage, rest_s: float = 0.0, failed: bool = False) -> None:
    """Let others claim it, after `rest_s`. Raises FencedError if it is held no more (as when its last range was committed).

    The epoch rises, as with every end of a lease: within one there is one holder, and a commit of the former one that is still
    under way is fenced.
    """
    _held(
        tx,
        shard,
        state="ready",
        epoch=table.c.epoch + 1,
        owner=None,
        lease_until=None,
        rest_until=db_now() + ms(rest_s),
        failures=table.c.failures + int(failed),
        **_spent(usage),
    )


def _spent(usage: Usage) -> dict[str, sa.ColumnElement[int]]:
    """What is spent beyond what stands there."""
    columns = {"bytes": usage.bytes} | {f"requests_{name}": getattr(usage, name) for name in REQUESTS}
    return {name: table.c[name] + count for name, count in columns.items() if count}


def close(tx: sa.Connection, run_id: str, *, state: str) -> None:
    """End all open shards of a run; whoever works on one is fenced."""
    still = sa.update(table).where(table.c.run_id == run_id, table.c.state.in_(("ready", "leased")))
    # again until there is none: a commit that was waited for may have handed a part over as a new shard
    while tx.execute(still.values(state=state, owner=None, lease_until=None, epoch=table.c.epoch + 1)).rowcount:
        pass


def _held(tx: sa.Connection, shard: Shard, **values: object) -> int:
    mine = sa.update(table).where(
        table.c.id == shard.id, table.c.epoch == shard.epoch, table.c.owner == shard.owner, table.c.state == "leased"
    )
    others = tx.execute(mine.values(values).returning(idle_others(shard.run_id, shard.owner))).scalar_one_or_none()
    if others is None:
        raise _fenced(shard)
    return others


def _fenced(shard: Shard) -> FencedError:
    return FencedError(
        f"shard {shard.id} is no longer this worker's: its lease ran out, or its run ended", shard=shard.id
    )


def leases(tx: sa.Connection, run_id: str) -> Leases:
    """Until when the shards of a run are leased, by their IDs. It changes as long as their owners live."""
    query = sa.select(table.c.id, table.c.lease_until).where(table.c.run_id == run_id, table.c.state == "leased")
    return {row.id: row.lease_until for row in tx.execute(query)}


def ms(seconds: float) -> int:
    return round(seconds * 1000)


def dump(todo: Iterable[Todo]) -> str:
    return json.dumps([[source, _hex(left.lo), _hex(left.hi)] for source, left in todo])


def load(text: str) -> tuple[Todo, ...]:
    return tuple((source, Range(_bytes(lo), _bytes(hi))) for source, lo, hi in json.loads(text))


def _hex(key: bytes | None) -> str | None:
    return None if key is None else key.hex()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
