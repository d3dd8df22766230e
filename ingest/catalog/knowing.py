"""Reads what is known of an interval, to compare with a listing; hides that it comes as whole columns. One piece of a transaction."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import sqlalchemy as sa

from ingest.catalog.assets import Place, prefix_end
from ingest.catalog.tables import assets as table
from ingest.compare import SETTLED, covering
from ingest.job import Depth
from ingest.known import NOTHING, SEPARATOR, Joined, Known, KnownAsset, known_of
from ingest.model import Range

_COMPARED: Final = ("key", "size", "etag", "last_modified", "storage_class", "listed_checksum", "state", "depth")


def known(tx: sa.Connection, place: Place, *, prefix: bytes, within: Range, depth: Depth, limit: int) -> Known:
    """The first `limit` assets of the range that are not removed, to compare with a listing for this depth."""
    behind = prefix_end(prefix)
    from_prefix = within.lo is None or within.lo < prefix
    to_hi = within.hi is not None and (behind is None or within.hi < behind)
    lowest, highest = prefix if from_prefix else within.lo, within.hi if to_hi else behind
    rows, joined = _queries(from_prefix=from_prefix, to_hi=to_hi, endless=highest is None, depth=depth)
    values = {**place._asdict(), "lowest": lowest, "highest": highest, "limit": limit}
    count, last, settled, *texts = tx.execute(joined, values).one()
    if not count:
        return NOTHING
    found = Joined(*texts)
    if found.splits(count):
        return Known(count=count, last=last, all_settled=settled == count, columns=found)
    by_key = {row[0]: KnownAsset(tuple(row[1:6]), row[6], row[7]) for row in tx.execute(rows, values)}
    return known_of(by_key, all_settled=settled == count)


@cache
def _queries(*, from_prefix: bool, to_hi: bool, endless: bool, depth: Depth) -> tuple[sa.Select[Any], sa.Select[Any]]:
    """Of each asset a row; and of all of them one: how many, the last key, how many need no second look, and each column as a text.

    One bound at each end: of two, a database may search by the one and walk to the other. Made once, since that takes longer than
    to run them.
    """
    lowest, highest = sa.bindparam("lowest", type_=sa.LargeBinary), sa.bindparam("highest", type_=sa.LargeBinary)
    key = table.c.key
    bounds = [key >= lowest if from_prefix else key > lowest]
    if not endless:
        bounds.append(key <= highest if to_hi else key < highest)
    rows = (
        sa.select(*(table.c[name] for name in _COMPARED))
        .where(
            table.c.connection_id == sa.bindparam("connection_id"),
            table.c.bucket == sa.bindparam("bucket"),
            *bounds,
            table.c.version_id == "",
            table.c.state != "removed",
        )
        .order_by(key)
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )
    each = rows.subquery().c
    separator: sa.ColumnElement[str] = sa.literal_column(f"char({ord(SEPARATOR)})")
    keys, *others = (sa.func.group_concat(sa.cast(each[name], sa.Text), separator) for name in _COMPARED)
    settled = each.state.in_(SETTLED) & each.depth.in_(covering(depth))
    count_settled = sa.func.sum(sa.case((settled, 1), else_=0))
    joined = sa.select(
        sa.func.count(each.key), sa.func.max(each.key), count_settled, sa.cast(keys, sa.LargeBinary), *others
    )
    return rows, joined
