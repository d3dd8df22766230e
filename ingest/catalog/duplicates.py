"""Objects with the same content, by the best that is known of each; hides which of them prove it already, and how they are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import sqlalchemy as sa

from ingest.catalog.assets import prefix_end
from ingest.catalog.tables import assets as table
from ingest.identity import FULL

By = Literal["sha256", "md5", "checksum"]
WAYS: Final[tuple[By, ...]] = ("sha256", "md5", "checksum")
"""From the surest to the least sure; an MD5 and a checksum count together with the size."""
_LIVE: Final = ("present", "archived", "missing")
_C: Final = table.c
_NAMES: Final[Mapping[By, tuple[sa.Column[Any], ...]]] = {
    "sha256": (_C.sha256,),
    "md5": (_C.md5, _C.size),
    "checksum": (_C.checksum_algorithm, _C.checksum, _C.size),
}


class Among(NamedTuple):
    """Where duplicates are looked for."""

    connection_ids: Sequence[str]
    bucket: str | None = None
    prefix: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Live objects of one content. Empty objects, other versions and delete markers are none."""

    by: By
    name: tuple[Any, ...]
    """The values that they share: SHA-256; or MD5 and size; or a checksum's algorithm, value and size."""
    size: int
    """Of each, in bytes."""
    count: int
    members: list[Mapping[str, Any]] = field(default_factory=list)
    """The first ones by connection, bucket and key: columns of the table `assets`."""

    @property
    def wasted(self) -> int:
        """Bytes of all but one."""
        return (self.count - 1) * self.size


def find(
    tx: sa.Connection, by: By, among: Among, *, after: Group | None = None, limit: int, members: int
) -> list[Group]:
    """Groups of at least two, those first that waste the most. `after`: the last one seen; `members`: how many of each are told.

    Left out is what a surer way finds whole, and what a surer way contradicts: two contents may share an MD5, and more so a CRC.
    """
    names = _NAMES[by]
    count, size = sa.func.count(), sa.func.min(_C.size)
    wasted = (count - 1) * size
    query = sa.select(*names, size.label("bytes"), count.label("times"), wasted.label("wasted"))
    query = query.where(*_where(by, among)).group_by(*names).having(count > 1, *_not_surer(by))
    if after is not None:
        behind = sa.and_(wasted == after.wasted, sa.tuple_(*names) > sa.tuple_(*map(sa.literal, after.name)))
        query = query.having(sa.or_(wasted < after.wasted, behind))
    rows = tx.execute(query.order_by(wasted.desc(), *names).limit(limit)).all()
    groups = {
        tuple(row[: len(names)]): Group(by=by, name=tuple(row[: len(names)]), size=row.bytes, count=row.times)
        for row in rows
    }
    for row in _members(tx, by, among, groups, most=members):
        groups[tuple(row[column.name] for column in names)].members.append(row)
    return list(groups.values())


def _where(by: By, among: Among) -> list[sa.ColumnElement[bool]]:
    which: list[sa.ColumnElement[bool]] = [
        _C.connection_id.in_(among.connection_ids),
        _C.version_id == "",
        _C.state.in_(_LIVE),
        _C.size > 0,
        *(name.is_not(None) for name in _NAMES[by]),
    ]
    if by == "checksum":
        which.append(_C.checksum_type == FULL)
    if among.bucket is not None:
        which.append(_C.bucket == among.bucket)
    if among.prefix:
        end = prefix_end(among.prefix)
        which += [_C.key >= among.prefix, *([] if end is None else [_C.key < end])]
    return which


def _not_surer(by: By) -> list[sa.ColumnElement[bool]]:
    """Of no surer way is everything known, and nothing of it differs."""
    surer = {"sha256": (), "md5": (_C.sha256,), "checksum": (_C.sha256, _C.md5)}[by]
    return [
        condition
        for column in surer
        for condition in (
            sa.func.count(column) < sa.func.count(),
            sa.func.coalesce(sa.func.min(column) == sa.func.max(column), sa.true()),
        )
    ]


def _members(
    tx: sa.Connection, by: By, among: Among, groups: Mapping[tuple[Any, ...], Group], *, most: int
) -> list[Mapping[str, Any]]:
    if not groups:
        return []
    names = _NAMES[by]
    at = 1 if by == "checksum" else 0
    order = (_C.connection_id, _C.bucket, _C.key)
    place = sa.func.row_number().over(partition_by=names, order_by=order).label("place")
    wanted = {name[at] for name in groups}
    inner = sa.select(table, place).where(*_where(by, among), names[at].in_(wanted)).subquery()
    each = sa.select(inner).where(inner.c.place <= most).order_by(*(inner.c[column.name] for column in order))
    found = (dict(row) for row in tx.execute(each).mappings())
    return [row for row in found if tuple(row[column.name] for column in names) in groups]
