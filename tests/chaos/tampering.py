"""What a chaos worker does other than a real one: its pauses that no setting shortens are short, its disk fills up on demand, and it
may be broken on purpose.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from arq.worker import Worker
from sqlalchemy import event

from ingest.model import Range

FULL: Final = "CHAOS_DISK_FULL"
"""Names a file; while it exists the catalog's file does not grow: SQLite itself answers that the disk is full."""
_ANY_SIZE: Final = 4_294_967_294


class _Brisk(Worker):
    """A job whose worker was killed before it was a run waits for two seconds instead of fifty, and one whose body Redis lost can be
    enqueued again after two instead of sixty: no setting changes that.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.in_progress_timeout_s = 2.0
        self.keep_result_s = 2.0


def prepare(tamper: str) -> None:
    """Call it in the worker's process, before anything is opened."""
    import ingest.work
    import worker.main

    assert hasattr(ingest.work, "_REST_FIRST_S")
    assert hasattr(ingest.work, "_REST_MOST_S")
    ingest.work._REST_FIRST_S, ingest.work._REST_MOST_S = 0.05, 0.5
    vars(worker.main)["Worker"] = _Brisk
    if place := os.environ.get(FULL):
        _fill_up_on_demand(Path(place))
    if tamper:
        BROKEN[tamper]()


def _fill_up_on_demand(full: Path) -> None:
    import config.sqlite

    make = config.sqlite._engine

    def engine(path: Path, *, begin: str, size: int, cache_kib: int, busy_ms: int) -> sa.Engine:
        made = make(path, begin=begin, size=size, cache_kib=cache_kib, busy_ms=busy_ms)
        if "IMMEDIATE" in begin:
            event.listen(made, "begin", bound)
        return made

    def bound(connection: sa.Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar() if full.exists() else _ANY_SIZE
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    config.sqlite._engine = engine


def _no_fence() -> None:
    """Whoever held a shard once may write to it for ever: neither epoch nor seq is looked at."""
    from ingest.catalog import shards, spans
    from ingest.catalog.tables import shards as table

    advance = shards.advance

    def unfenced(tx: sa.Connection, shard: shards.Shard, **more: Any) -> shards.Shard:
        now = tx.execute(sa.select(table.c.epoch, table.c.seq).where(table.c.id == shard.id)).one()
        tx.execute(sa.update(table).where(table.c.id == shard.id).values(state="leased", owner=shard.owner))
        return advance(tx, replace(shard, epoch=now.epoch, seq=now.seq), **more)

    def commit(tx: sa.Connection, *, shard: shards.Shard, **more: Any) -> shards.Shard:
        now = tx.execute(sa.select(table.c.seq).where(table.c.id == shard.id)).scalar_one()
        return whole(tx, replace(shard, seq=now), **more)

    whole = spans.commit
    shards.advance = unfenced
    vars(spans)["commit"] = commit


def _lost_range() -> None:
    """What lies behind a span is forgotten, once in a while."""
    from ingest.catalog import spans

    outside = spans._outside
    calls = [0]

    def forgetful(outer: Range, inner: Range) -> list[Range]:
        calls[0] += 1
        left = outside(outer, inner)
        return left[:-1] if calls[0] % 10 == 0 else left

    spans._outside = forgetful


def _never_expire() -> None:
    """Nobody takes back what the dead hold."""
    from ingest.catalog import claiming

    claiming.expire = lambda _tx, **_: None


def _blind_write() -> None:
    """Rows are counted and, once in a while, not written."""
    from ingest.catalog import assets

    bring = assets.bring
    calls = [0]

    def lossy(tx: sa.Connection, records: Iterable[assets.Records]) -> Callable[[assets.Place, str], None]:
        calls[0] += 1
        return bring(tx, () if calls[0] % 7 == 0 else records)

    assets.bring = lossy


BROKEN: Final[dict[str, Callable[[], None]]] = {
    "no-fence": _no_fence,
    "lost-range": _lost_range,
    "never-expire": _never_expire,
    "blind-write": _blind_write,
}
"""Variants that chaos must find."""
