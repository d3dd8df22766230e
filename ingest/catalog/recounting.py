"""Reads spans together with the rows that lie in them now; hides that many intervals are counted in one statement. Pieces of a read."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import sqlalchemy as sa

from ingest.catalog.assets import prefix_end
from ingest.catalog.runs import Run, sources_of
from ingest.catalog.tables import OUTCOMES, assets, runs
from ingest.catalog.tables import spans as table
from ingest.certificate import Rows, Tile
from ingest.job import IngestJob, PrefixSource, of_other_kind
from ingest.model import Range

_KEYS: Final = 500
"""Objects that one statement names."""
_SPANS: Final = 100
"""Recounted in one statement at most. A database takes some hundred parts, and more are no faster."""


def recount(tx: sa.Connection, run: Run, source: int, *, after: Tile | None, most_rows: int) -> list[tuple[Tile, Rows]]:
    """The next spans of a source in key order, and what the catalog holds of each; empty behind the last one.

    As many spans as hold `most_rows` by their own counts, but at least one.
    """
    tiles = _tiles(tx, run.id, source, after)
    rows, few = 0, list[Tile]()
    for tile in tiles:
        rows += tile.rows
        if few and rows > most_rows:
            break
        few.append(tile)
    if not few:
        return []
    named = run.job is not None and run.job.names_objects
    counted = _counted_named(tx, run, source, few) if named else _counted(tx, run, run.sources[source], few)
    return list(zip(few, counted, strict=True))


def spans_of(tx: sa.Connection, run_id: str) -> int:
    """How many spans a run has."""
    return tx.execute(sa.select(sa.func.count()).where(table.c.run_id == run_id)).scalar_one()


def later_sources(tx: sa.Connection, run: Run) -> list[PrefixSource]:
    """Places of the same connection where a run that was written later, and is about the same kind of records, has begun to list."""
    query = sa.select(runs.c.sources, runs.c.job).where(
        runs.c.connection_id == run.connection_id, runs.c.number > run.number, runs.c.started_at.is_not(None)
    )
    later = [row.sources for row in tx.execute(query) if not of_other_kind(run.job, IngestJob.kept(row.job))]
    return sorted({source for text in later for source in sources_of(text)})


def _tiles(tx: sa.Connection, run_id: str, source: int, after: Tile | None) -> list[Tile]:
    columns = table.c
    names = ("lo", "hi", "listed", "known", "missing", "new")
    query = sa.select(*(columns[name] for name in (*names, *OUTCOMES)))
    query = query.where(columns.run_id == run_id, columns.source == source)
    if after is not None:
        query = query.where(columns.lo.is_not(None) if after.lo is None else columns.lo > after.lo)
    found = tx.execute(query.order_by(columns.lo.nulls_first()).limit(_SPANS))
    return [
        Tile(source=source, **dict(zip(names, row, strict=False)), outcomes=dict(zip(OUTCOMES, row[6:], strict=True)))
        for row in found
    ]


def _counted(tx: sa.Connection, run: Run, source: PrefixSource, tiles: list[Tile]) -> list[Rows]:
    """Each interval as keys from its first possible one to the last one's next: one bound at each end is all that an index takes."""
    values: dict[str, Any] = {"run": run.id, "connection": run.connection_id, "bucket": source.bucket}
    end = prefix_end(source.prefix)
    for number, tile in enumerate(tiles):
        values[f"from{number}"] = source.prefix if tile.lo is None else tile.lo + b"\0"
        if tile.hi is not None or end is not None:
            values[f"to{number}"] = end if tile.hi is None else tile.hi + b"\0"
    bounded = tuple(f"to{number}" in values for number in range(len(tiles)))
    of_versions = run.job is not None and run.job.versions == "all"
    statement = _statement(bounded, of_versions=of_versions)
    found = {number: Rows(*counts) for number, *counts in tx.execute(statement, values)}
    return [found[number] for number in range(len(tiles))]


def _counted_named(tx: sa.Connection, run: Run, source: int, tiles: list[Tile]) -> list[Rows]:
    """Of the objects that the run named alone: what lies between them is none of its business."""
    assert run.job is not None
    named, columns = run.job.named[source], assets.c
    of_tiles = [named.within(Range(tile.lo, tile.hi)) for tile in tiles]
    keys = [key for some in of_tiles for key in some]
    found: dict[bytes, tuple[str, bool]] = {}
    query = sa.select(columns.key, columns.state, columns.run_id == run.id).where(
        columns.connection_id == run.connection_id, columns.bucket == named.bucket, columns.version_id == ""
    )
    for first in range(0, len(keys), _KEYS):
        some = query.where(columns.key.in_(keys[first : first + _KEYS]))
        found |= {bytes(key): (state, bool(ours)) for key, state, ours in tx.execute(some)}
    return [_rows_of([found[key] for key in some if key in found]) for some in of_tiles]


def _rows_of(rows: list[tuple[str, bool]]) -> Rows:
    """By state, and whether they are this run's."""
    live = [ours for state, ours in rows if state not in ("missing", "removed")]
    missing = [ours for state, ours in rows if state == "missing"]
    removed = [ours for state, ours in rows if state == "removed"]
    return Rows(
        live=len(live),
        missing=sum(missing),
        strange=len(missing) - sum(missing),
        removed=sum(removed),
        written=sum(live),
    )


@cache
def _statement(bounded: tuple[bool, ...], *, of_versions: bool) -> sa.TextClause:
    """One row for each interval: its number, and the fields of Rows. Only the last key of all has none behind it."""
    live, ours = "state NOT IN ('missing', 'removed')", "run_id = :run"
    counts = {
        "live": live,
        "missing": f"state = 'missing' AND {ours}",
        "strange": f"state = 'missing' AND NOT {ours}",
        "removed": f"state = 'removed' AND {ours}",
        "written": f"{live} AND {ours}",
    }
    columns = ", ".join(f"count(*) FILTER (WHERE {counts[name]})" for name in Rows._fields)
    kind = "version_id <> ''" if of_versions else "version_id = ''"
    whole = f"FROM assets WHERE connection_id = :connection AND bucket = :bucket AND {kind}"
    return sa.text(
        " UNION ALL ".join(
            f"SELECT {number}, {columns} {whole} AND key >= :from{number}{f' AND key < :to{number}' if has_end else ''}"
            for number, has_end in enumerate(bounded)
        )
    )
