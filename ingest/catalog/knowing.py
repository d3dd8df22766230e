"""Reads what is known of an interval, to compare with a listing; hides that it comes as whole columns. One piece of a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from ingest.catalog.assets import Place, prefix_end
from ingest.catalog.tables import IDENTITY
from ingest.catalog.tables import assets as table
from ingest.known import NOTHING, SEPARATOR, Joined, Known, KnownAsset, known_of
from ingest.model import Entry, Range
from ingest.wanted import Wanted

_NO_PICTURE: Final = "substr(coalesce(media_type, ''), 1, 6) <> 'image/'"
_ARCHIVED_ENOUGH: Final = ("head", "media", "content")
"""Nothing deeper than its headers can be had of an archived object."""
COMPARED: Final = ("size", "etag", "last_modified", "storage_class", "listed_checksum")


def known(tx: sa.Connection, place: Place, *, prefix: bytes, within: Range, wanted: Wanted, limit: int) -> Known:
    """The first `limit` assets of the range that are not removed, to compare with a listing for what is wanted."""
    bounds, ends = bounds_of(prefix, within)
    joined, each = _statements(bounds, unasked(wanted), tx.dialect.name)
    values = (*asked(wanted), *place, *ends, limit)
    count, *texts = rows_of(tx, joined, values)[0]
    if not count:
        return NOTHING
    found = Joined(*texts)
    if found.splits(count):
        return Known(count=count, last=found.last(), columns=found)
    return known_of({row[0]: KnownAsset(row[1:6], bool(row[6]), bool(row[7])) for row in rows_of(tx, each, values)})


def bounds_of(prefix: bytes, within: Range) -> tuple[str, tuple[bytes, ...]]:
    """A condition on the keys of a range below a prefix, and its values."""
    behind = prefix_end(prefix)
    from_prefix = within.lo is None or within.lo < prefix
    to_hi = within.hi is not None and (behind is None or within.hi < behind)
    lowest, highest = prefix if from_prefix else within.lo, within.hi if to_hi else behind
    bounds = "key >= ?" if from_prefix else "key > ?"
    if highest is not None:
        bounds += " AND key <= ?" if to_hi else " AND key < ?"
    return bounds, tuple(bound for bound in (lowest, highest) if bound is not None)


def known_named(tx: sa.Connection, place: Place, *, keys: Sequence[bytes], wanted: Wanted) -> dict[bytes, KnownAsset]:
    """What is known of these objects and not removed, to compare with what each answers."""
    if not keys:
        return {}
    more = (1 << (len(keys) - 1).bit_length()) - len(keys)  # so that there are few statements
    named = [*keys, *[keys[-1]] * more]
    _, each = _statements(f"key IN ({', '.join('?' * len(named))})", unasked(wanted), tx.dialect.name)
    rows = rows_of(tx, each, (*asked(wanted), *place, *named, len(keys)))
    return {bytes(row[0]): KnownAsset(tuple(row[1:6]), bool(row[6]), bool(row[7])) for row in rows}


class Copied(NamedTuple):
    """That an object was copied, as it is listed now."""

    uri: str
    probed_version_id: str | None


def copied(tx: sa.Connection, place: Place, entry: Entry) -> Copied | None:
    """Where exactly this object, or version, was copied to by an earlier run, if it was."""
    known = table.c
    query = sa.select(known.copied_to, known.probed_version_id).where(
        *_exactly(place, entry), known.copied_to.is_not(None), known.state != "removed"
    )
    row = tx.execute(query).first()
    return None if row is None else Copied(*row)


def has_read(tx: sa.Connection, place: Place, entry: Entry, wanted: Wanted) -> bool:
    """Whether exactly this object, or version, was read as deep as is wanted, whatever else of it is missing."""
    known = table.c
    hashed = sa.or_(known.perceptual_hash.is_not(None), sa.text(_NO_PICTURE))
    query = sa.select(known.key).where(
        *_exactly(place, entry),
        known.depth.in_(wanted.depths),
        known.state.in_(("present", "failed")),  # of what could not be read, the depth is `list`
        *([hashed] if wanted.perceptual_hash else []),
    )
    return tx.execute(query).first() is not None


def _exactly(place: Place, entry: Entry) -> list[sa.ColumnElement[bool]]:
    identity = (*place, entry.key, entry.version_id)
    fingerprint = (entry.size, entry.etag, entry.last_modified, entry.storage_class, entry.checksum_kind)
    columns = zip((*IDENTITY, *COMPARED), (*identity, *fingerprint), strict=True)
    return [table.c[name] == value for name, value in columns]


def asked(wanted: Wanted) -> tuple[str, ...]:
    """The values of `settled`, which come first."""
    return () if wanted.copy_to is None else (wanted.copy_to,) * 2


def unasked(wanted: Wanted) -> Wanted:
    """Without what is a value, so that few statements differ."""
    return wanted._replace(copy_to=wanted.copy_to and "?")


def rows_of(tx: sa.Connection, statement: str, values: tuple[Any, ...]) -> list[Any]:
    """As the driver's own tuples: this is asked for each page of each bucket, and costs SQLite less than it costs SQLAlchemy."""
    return list(tx.exec_driver_sql(statement, values).cursor.fetchall())


@cache
def _statements(bounds: str, wanted: Wanted, dialect: str) -> tuple[str, str]:
    """Of all assets together one row: how many, keys, each column as one text, keys that need a second look and keys that are
    missing (None: no such). And a row of each.

    One bound at each end: of two, a database may search by the one and walk to the other.
    """
    unsettled = f"NOT ({settled(wanted)})"
    rows = (
        f"SELECT key, {', '.join(COMPARED)}, {unsettled} AS unsettled, state = 'missing' AS missing FROM assets "  # noqa: S608 - names and words of our own
        f"WHERE connection_id = ? AND bucket = ? AND {bounds} AND version_id = '' AND state <> 'removed' "
        "ORDER BY key LIMIT ?"
    )
    text, keys = _JOINING[dialect]
    joined = (
        f"SELECT count(*), {keys('key')}, {', '.join(text(name) for name in COMPARED)}, "  # noqa: S608 - the same
        f"{keys('CASE WHEN unsettled THEN key END')}, {keys('CASE WHEN missing THEN key END')} FROM ({rows}) AS found"
    )
    return (joined, rows) if dialect == "sqlite" else (numbered(joined), numbered(rows))


def settled(wanted: Wanted) -> str:
    """Of a record that covers what is wanted. None of it is ever null."""
    present = f"state = 'present' AND {_among('depth', wanted.depths)}"
    if wanted.perceptual_hash:
        present += f" AND ({_NO_PICTURE} OR perceptual_hash IS NOT NULL)"
    if wanted.copy_to is not None:
        present += " AND copied_to IS NOT NULL AND substr(copied_to, 1, length(?)) = ?"
    enough = wanted.depths if wanted.depth == "list" else _ARCHIVED_ENOUGH
    archived = f"state = 'archived' AND {_among('depth', enough)} AND coalesce(restore, '') <> 'ongoing'"
    once = " AND restore IS NULL"  # what was restored may be archived again, which no listing tells
    either = f"({present}{once})" if wanted.recheck_archived else f"({present} OR {archived})"
    return f"{either} AND tags IS NOT NULL" if wanted.tags else either


def _among(name: str, words: tuple[str, ...]) -> str:
    return f"({' OR '.join(f'{name} = {word!r}' for word in words)})"


def _text(what: str) -> str:
    return f"group_concat({what} || char({ord(SEPARATOR)}), '')"


def _keys(what: str) -> str:
    """Keys are no text: as such they are joined byte by byte, and the result is none either."""
    return f"CAST({_text(f'CAST({what} AS TEXT)')} AS BLOB)"


def _postgres_text(what: str) -> str:
    return f"string_agg(CAST({what} AS TEXT) || chr({ord(SEPARATOR)}), '')"


def _postgres_keys(what: str) -> str:
    return f"string_agg(({what}) || '\\x{ord(SEPARATOR):02x}'::bytea, ''::bytea)"


_JOINING: Final = {"sqlite": (_text, _keys), "postgresql": (_postgres_text, _postgres_keys)}


def numbered(statement: str) -> str:
    """For PostgreSQL: with $1, $2, ... for each ?."""
    first, *rest = statement.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, start=1))
