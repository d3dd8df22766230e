"""What the catalog knows, as it comes back: whatever the texts hold, in whatever interval, however many rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from config.database import Database
from config.limits import Limits
from ingest.catalog import assets
from ingest.catalog.assets import Asset, Place, Records, records_of
from ingest.catalog.knowing import known
from ingest.catalog.tables import assets as table
from ingest.job import Depth
from ingest.known import Joined, Known, KnownAsset
from ingest.model import Entries, Entry, Range
from ingest.wanted import Wanted
from tests.fakes.running import a_catalog, engines
from tests.postgres import Kind

T = TypeVar("T")

PLACE = Place("c1", "bkt")
KEYS = st.one_of(st.binary(min_size=1, max_size=3), st.sampled_from([b"a", b"a/", b"a/b", b"\x1f", b"a\0", b"\xff"]))
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3) | st.just("\x1f")
ENTRIES = st.builds(
    Entry,
    KEYS,
    st.integers(0, 2**50),
    TEXTS,
    TEXTS,
    st.sampled_from(["STANDARD", "GLACIER"]),
    st.sampled_from(["", "CRC32"]),
    st.sampled_from(["", "FULL_OBJECT"]),
)
SEVERAL = st.dictionaries(KEYS, ENTRIES, max_size=6).map(
    lambda by_key: Entries.of(by_key[key]._replace(key=key) for key in sorted(by_key))
)


def in_catalog(work: Callable[[sa.Connection], T], kind: Kind = "sqlite") -> T:
    """What `work` makes of an empty catalog, in one transaction."""

    def emptied(tx: sa.Connection) -> T:
        tx.execute(sa.delete(table))
        return work(tx)

    async def run() -> T:
        with TemporaryDirectory() as folder:
            place = Path(folder) if kind == "sqlite" else Path(__file__)  # a file is made sooner than a database
            async with a_catalog(place, Limits(), kind=kind) as (_, database):
                return await database.transaction(emptied)

    return asyncio.run(run())


def recorded(entries: Entries, *, state: str = "present", depth: str = "list") -> Records:
    return records_of([Asset(*entry[:5], entry.checksum_kind, state, depth) for entry in entries])


def look(
    tx: sa.Connection, *, within: Range = Range(), prefix: bytes = b"", limit: int = 100, depth: Depth = "list"
) -> Known:
    return known(tx, PLACE, prefix=prefix, within=within, wanted=Wanted(depth), limit=limit)


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(SEVERAL, SEVERAL, st.none() | KEYS, st.none() | KEYS, st.sampled_from([b"", b"a", b"a/"]), st.integers(1, 7))
def test_what_was_written_is_known_again(
    kind: Kind, entries: Entries, others: Entries, lo: bytes | None, hi: bytes | None, prefix: bytes, limit: int
) -> None:
    within = Range(lo, hi)

    def write_and_look(tx: sa.Connection) -> tuple[Known, Known]:
        assets.bring(tx, [recorded(entries)])(PLACE, "r")
        assets.bring(tx, [recorded(others)])(Place("c2", "bkt"), "r")
        return look(tx, within=within, prefix=prefix, limit=limit), look(tx)

    found, everything = in_catalog(write_and_look, kind)
    wanted = [entry for entry in entries if entry.key in within and entry.key.startswith(prefix)][:limit]
    fingerprints = Entries.of(wanted).fingerprints()
    assert list(found.rows().items()) == [
        (entry.key, KnownAsset(fingerprint)) for entry, fingerprint in zip(wanted, fingerprints, strict=True)
    ]
    assert (found.count, found.last) == (len(wanted), wanted[-1].key if wanted else b"")
    # Texts that hold the separator are compared row by row instead.
    assert everything.settles(entries) == isinstance(everything.columns, Joined)
    assert isinstance(everything.columns, Joined) == (bool(entries) and not any(map(_holds_separator, entries)))
    assert not everything.settles(others) or others == entries


def _holds_separator(entry: Entry) -> bool:
    return b"\x1f" in entry.key or "\x1f" in entry.etag + entry.last_modified


@pytest.mark.parametrize(
    ("state", "depth", "asked", "unsettled", "missing"),
    [
        ("present", "head", "head", False, False),
        ("present", "head", "list", False, False),
        ("present", "list", "list", False, False),
        ("present", "list", "head", True, False),
        ("archived", "head", "head", False, False),
        ("failed", "head", "head", True, False),
        ("missing", "head", "list", True, True),
    ],
)
@pytest.mark.parametrize("odd", [b"", b"\x1f"])
def test_a_state_and_a_depth_say_whether_a_second_look_is_needed(
    kind: Kind, state: str, depth: str, asked: Depth, unsettled: bool, missing: bool, odd: bytes
) -> None:
    entries = Entries.of(Entry(b"%d" % number + odd, 1, "", "t", "STANDARD") for number in range(3))

    def write_and_look(tx: sa.Connection) -> Known:
        for number in range(3):
            like = (state, depth) if number == 1 else ("present", asked)
            assets.bring(tx, [recorded(entries[number : number + 1], state=like[0], depth=like[1])])(PLACE, "r")
        return look(tx, depth=asked)

    found = in_catalog(write_and_look, kind)
    assert [row[1:] for row in found.rows().values()] == [(False, False), (unsettled, missing), (False, False)]
    assert found.settles(entries) == (not unsettled and not odd)


def test_a_removed_asset_is_not_known(kind: Kind) -> None:
    entries = Entries.of(Entry(b"%d" % number, 1, "e", "t", "STANDARD") for number in range(3))

    def write_and_look(tx: sa.Connection) -> Known:
        assets.bring(tx, [recorded(entries)])(PLACE, "r")
        assets.bring(tx, [recorded(entries[1:2], state="removed")])(PLACE, "r")
        return look(tx)

    assert list(in_catalog(write_and_look, kind).rows()) == [b"0", b"2"]


def _told(name: str, number: int) -> str | int | float:
    return {"width": number, "height": number, "duration_s": number / 2}.get(name, f"{name} {number}")


@pytest.mark.parametrize("count", [1, 2, 3, 1023, 2047, 2048, 2049, 5000])
@pytest.mark.parametrize("wide", [False, True])
def test_any_number_of_rows_is_written_whole(kind: Kind, count: int, wide: bool) -> None:
    every = Entries.of(Entry(b"%05d" % number, number, "e", "t", "STANDARD") for number in range(count))
    narrow: tuple[Sequence[Any], ...] = (
        every.keys,
        [*map(int, every.sizes)],
        every.etags,
        every.modified,
        every.classes,
        every.checksum_kinds(),
    )
    narrow += (["present"] * count, ["list"] * count)
    more = tuple([_told(name, number) for number in range(count)] for name in Asset._fields[8:])
    records = Records((*narrow, *more) if wide else narrow)

    def write_twice(tx: sa.Connection) -> list[Any]:
        assets.bring(tx, [records])(PLACE, "r1")
        tx.execute(sa.update(table).values(first_seen_at=1, is_latest=True))
        assets.bring(tx, [records])(PLACE, "r2")
        return [tuple(row) for row in tx.execute(sa.select(table).order_by(table.c.key))]

    rows = in_catalog(write_twice, kind)
    names = [column.name for column in table.c]
    for number, row in enumerate(rows):
        told = dict(zip(names, row, strict=True))
        assert tuple(told[name] for name in Asset._fields[:3]) == (b"%05d" % number, number, "e")
        assert told["headers"] == (f"headers {number}" if wide else None)
        assert (told["run_id"], told["first_seen_at"], told["is_latest"]) == ("r2", 1, None)
        assert all(told[name] == _told(name, number) for name in Asset._fields[8:] if wide)
    assert len(rows) == count


async def test_known_assets_are_searched_from_one_end_to_the_other(tmp_path: Path) -> None:
    """Not from the beginning of the prefix on, which would make each page of a bucket dearer than the one before. For PostgreSQL
    tests/contract/test_catalog_plans.py looks.
    """
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        asked.append((statement, values))

    async with a_catalog(tmp_path, Limits()) as (_, database):
        await _plan(database, asked, note)
        plan = await database.read(
            lambda tx: [row[-1] for row in tx.exec_driver_sql("EXPLAIN QUERY PLAN " + asked[-1][0], asked[-1][1])]
        )
    assert any("key>? AND key<?" in step for step in plan), plan


async def _plan(database: Database, asked: list[tuple[str, Any]], note: Callable[..., None]) -> None:
    engine = engines(database)[1]
    event.listen(engine, "before_cursor_execute", note)
    await database.read(lambda tx: look(tx, within=Range(b"a/m", b"a/n"), prefix=b"a/"))
    event.remove(engine, "before_cursor_execute", note)
