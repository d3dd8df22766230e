"""Runs that try another one again: all of its job, or only the ranges around objects that could not be read. Hides how those are found."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Final, Literal, NamedTuple

import sqlalchemy as sa

from config.database import Database
from config.errors import RetryRefusedError
from config.limits import Limits
from ingest.catalog import runs
from ingest.catalog.assets import prefix_end
from ingest.catalog.runs import Run
from ingest.catalog.shards import Todo
from ingest.catalog.tables import assets
from ingest.job import IngestJob, PrefixSource
from ingest.model import Range
from ingest.naming import Named
from ingest.splitting import cut_point

What = Literal["failed", "archived", "all"]
_READ_AT_ONCE = 1000
_ARCHIVED: Final = assets.c.state == "archived"
_FAILED: Final = sa.or_(assets.c.state == "failed", sa.and_(_ARCHIVED, assets.c.restore == "ongoing"))
"""What to try again: what could not be read, and what is being restored."""


class Failed(NamedTuple):
    """An object to try again, and where it stands among the rows of its source."""

    key: bytes
    lo: bytes | None
    """The row before the one before it; None if there is none."""
    number: int


class Retries:
    """Tries runs of one workspace again."""

    def __init__(self, *, database: Database, workspace: str, limits: Limits) -> None:
        self._database, self._workspace, self._limits = database, workspace, limits

    async def create(self, parent: Run, *, what: What, connection_id: str) -> Run:
        """Write a run that tries this one again, of the same origin. Raises RetryRefusedError if there is nothing to try again."""
        job = usable_job(parent)
        asked = None if what == "all" else await self._around(parent, connection_id, what)
        if what == "archived":
            job = job.model_copy(update={"recheck_archived": True})
        create = partial(
            runs.create,
            workspace=self._workspace,
            connection_id=connection_id,
            connection=parent.connection,
            job=job,
            origin=parent.origin,
            parent_id=parent.id,
            asked=asked,
        )
        return (await self._database.transaction(create))[0]

    async def _around(self, parent: Run, connection_id: str, what: What) -> list[Todo]:
        if connection_id != parent.connection_id:
            raise RetryRefusedError(
                f"connection {parent.connection!r} was replaced by one of another kind after run {parent.id}, so its records are "
                "not this one's; `longshore ingest` or `longshore submit` reads them anew"
            )
        find = partial(around, run=parent, what=what, limits=self._limits)
        asked = await self._database.read(find)
        if not asked and what == "archived":
            raise RetryRefusedError(f"no object of run {parent.id} is archived, so there is none to look at again")
        if not asked:
            raise RetryRefusedError(
                f"no object of run {parent.id} is left to try again: a later run has read what it could not; "
                f"`longshore runs retry {parent.id} --all` reads all of it again"
            )
        return asked


def usable_job(run: Run) -> IngestJob:
    """Raises RetryRefusedError if there is none."""
    if run.job is None:
        raise RetryRefusedError(
            f"run {run.id} has no job to try again: {run.error or 'another version of longshore wrote it'}; submit a new one"
        )
    return run.job


def chosen(run: Run, asked_for: What | None) -> What:
    """What to try again of a run. Raises RetryRefusedError if it is not yet time, or nobody said what."""
    usable_job(run)
    if not run.ended:
        raise RetryRefusedError(
            f"run {run.id} is {run.state}: it still goes on; `longshore runs watch {run.id}` follows it, "
            f"`longshore runs cancel {run.id}` ends it"
        )
    if asked_for in ("all", "archived"):
        return asked_for
    if run.state == "complete":
        raise RetryRefusedError(
            f"run {run.id} is complete, so nothing of it failed; `longshore runs retry {run.id} --all` reads all of it again, "
            "--archived only looks whether archived objects were restored"
        )
    if asked_for is None and run.state == "needs_confirmation":
        raise RetryRefusedError(
            f"run {run.id} waits for a decision; take it first, or say what to try again: --failed, or --all, which judges anew"
        )
    part = run.state == "partial" or run.asked is not None
    return asked_for or ("failed" if part else "all")


def around(tx: sa.Connection, run: Run, what: What, limits: Limits) -> list[Todo]:
    """The ranges that hold the failed or the archived objects of a run's sources, and little else, in the order of sources and keys."""
    wanted = _ARCHIVED if what == "archived" else _FAILED
    if run.job is not None and run.job.names_objects:
        named = [(number, part) for number, one in enumerate(run.job.named) for part in _named(tx, run, one, wanted)]
        return _fewer(named, most=max(limits.retry_ranges, len(run.job.named)))
    found = [
        (number, part)
        for number, source in enumerate(run.sources)
        for part in ranges(_those(tx, run, source, wanted), prefix=source.prefix, near=limits.page_keys)
    ]
    return _fewer(found, most=max(limits.retry_ranges, len({number for number, _ in found})))


def ranges(failed: Iterable[Failed], *, prefix: bytes, near: int) -> Iterator[_Part]:
    """A range for each failed object, or for several with fewer than `near` rows between two of them.

    It begins one row before the one before it: that row is a witness that the bucket still answers, should the object be gone.
    """
    open_: _Part | None = None
    for one in failed:
        lo = _beginning(one.lo, prefix)
        if open_ is not None and (one.number - open_.last - 1 < near or lo is None or lo < open_.hi):
            open_ = open_._replace(hi=one.key, last=one.number)
            continue
        if open_ is not None:
            yield open_
        open_ = _Part(lo, one.key, first=one.number, last=one.number)
    if open_ is not None:
        yield open_


class _Part(NamedTuple):
    lo: bytes | None
    hi: bytes
    first: int
    """Rows, by their number in the source."""
    last: int


def _beginning(lo: bytes | None, prefix: bytes) -> bytes | None:
    """What may be sent as start-after, and is not behind `lo`."""
    sent = None if lo is None else cut_point(lo, lo=None, hi=None)
    return None if sent is None or sent < prefix else sent


def _fewer(found: Sequence[tuple[int, _Part]], *, most: int) -> list[Todo]:
    """The nearest neighbours of one source together, until there are no more than `most`."""
    gaps = [
        (later.first - part.last, place)
        for place, ((source, part), (other, later)) in enumerate(pairwise(found))
        if source == other
    ]
    joined = {place for _, place in sorted(gaps)[: max(0, len(found) - most)]}
    merged: list[Todo] = []
    for place, (source, part) in enumerate(found):
        if place - 1 in joined:
            merged[-1] = (source, Range(merged[-1][1].lo, part.hi))
        else:
            merged.append((source, Range(part.lo, part.hi)))
    return merged


def _named(tx: sa.Connection, run: Run, named: Named, wanted: sa.ColumnElement[bool]) -> Iterator[_Part]:
    """Around those of the objects that a run named, and no others of them: each is asked, so none is needed as a witness."""
    columns = assets.c
    query = sa.select(columns.key).where(
        columns.connection_id == run.connection_id, columns.bucket == named.bucket, columns.version_id == "", wanted
    )
    found: list[bytes] = []
    for first in range(0, len(named.keys), _READ_AT_ONCE):
        some = query.where(columns.key.in_(named.keys[first : first + _READ_AT_ONCE]))
        found += map(bytes, tx.execute(some).scalars())
    for part in named.around(found):
        keys = named.within(part)
        place = bisect_left(named.keys, keys[0])
        yield _Part(part.lo, keys[-1], first=place, last=place + len(keys) - 1)


def _those(tx: sa.Connection, run: Run, source: PrefixSource, wanted: sa.ColumnElement[bool]) -> Iterator[Failed]:
    """Of versions, a key stands for all of its own."""
    columns, end = assets.c, prefix_end(source.prefix)
    of_versions = run.job is not None and run.job.versions == "all"
    is_wanted = sa.func.max(sa.case((wanted, 1), else_=0)) == 1 if of_versions else wanted
    every = sa.select(columns.key, is_wanted.label("wanted")).where(
        columns.connection_id == run.connection_id,
        columns.bucket == source.bucket,
        columns.key >= source.prefix,
        *([] if end is None else [columns.key < end]),
        columns.version_id != "" if of_versions else columns.version_id == "",
        columns.state != "removed",
    )
    keys = (every.group_by(columns.key) if of_versions else every).subquery()
    rows = sa.select(
        keys.c.key,
        keys.c.wanted,
        sa.func.lag(keys.c.key, 2).over(order_by=keys.c.key).label("lo"),
        sa.func.row_number().over(order_by=keys.c.key).label("number"),
    ).subquery()
    query = sa.select(rows.c.key, rows.c.lo, rows.c.number).where(rows.c.wanted).order_by(rows.c.key)
    with tx.execute(query.execution_options(yield_per=_READ_AT_ONCE)) as found:
        for row in found:
            yield Failed(bytes(row.key), None if row.lo is None else bytes(row.lo), row.number)
