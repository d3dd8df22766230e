"""Duplicates by content, and sidecars: each in few queries, on each database."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from config.database import Database
from config.limits import Limits
from ingest.catalog import assets
from ingest.catalog.assets import Asset, Place, records_of
from ingest.catalog.catalog import Catalog
from ingest.catalog.duplicates import WAYS, Among, Group
from ingest.catalog.sidecars import Sidecar, keys_of
from ingest.catalog.tables import assets as table
from tests.fakes.running import a_catalog, engines
from tests.postgres import Kind

PLACE = Place("c", "b")


@pytest.fixture(name="here")
async def _here(tmp_path: Path, kind: Kind) -> AsyncGenerator[tuple[Catalog, Database]]:
    async with a_catalog(tmp_path, Limits(), kind=kind) as both:
        yield both


def asset(key: str, *, size: int = 10, state: str = "present", **fields: Any) -> Asset:
    return Asset(key.encode(), size, f"e{key}", "t", "STANDARD", "", state, "content")._replace(**fields)


def crc(value: str, kind: str = "FULL_OBJECT") -> dict[str, Any]:
    return {"checksum_algorithm": "CRC32", "checksum": value, "checksum_type": kind}


async def write(database: Database, *records: Asset, place: Place = PLACE) -> None:
    ordered = sorted(records, key=lambda one: one.key)
    await database.transaction(lambda tx: assets.bring(tx, [records_of(ordered)])(place, "run"))


async def groups(catalog: Catalog, among: Among | None = None, **options: Any) -> list[Group]:
    among = among or Among(["c", "d"])
    return [
        group
        for by in WAYS
        for group in await catalog.duplicates(by, among, limit=100, members=options.get("members", 10))
    ]


def told(found: list[Group]) -> list[tuple[str, int, str]]:
    return [(group.by, group.count, " ".join(row["key"].decode() for row in group.members)) for group in found]


@pytest.mark.acceptance("LS-12")
async def test_each_group_says_by_what_and_the_surest_way_counts(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    await write(
        database,
        asset("sha1", sha256="s", md5="m", **crc("x")),
        asset("sha2", sha256="s", md5="m", **crc("x")),
        asset("md1", md5="n"),
        asset("md2", md5="n"),
        asset("md3", md5="n", size=11),  # an MD5 counts with the size
        asset("mix1", sha256="t", md5="o"),
        asset("mix2", md5="o"),
        asset("crc1", **crc("y")),
        asset("crc2", **crc("y")),
        asset("crc3", **crc("y"), size=11),
        asset("parts1", **crc("z", "COMPOSITE")),
        asset("parts2", **crc("z", "COMPOSITE")),
        asset("other1", sha256="u", **crc("w")),
        asset("other2", sha256="v", **crc("w")),  # a CRC that two contents share
        asset("gone", state="removed", sha256="s", md5="m"),
        asset("empty1", size=0, sha256="0"),
        asset("empty2", size=0, sha256="0"),
        asset("alone", sha256="a"),
    )
    assert told(await groups(catalog)) == [
        ("sha256", 2, "sha1 sha2"),
        ("md5", 2, "md1 md2"),
        ("md5", 2, "mix1 mix2"),
        ("checksum", 2, "crc1 crc2"),
    ]
    found = await groups(catalog)
    assert [group.name for group in found] == [("s",), ("n", 10), ("o", 10), ("CRC32", "y", 10)]


async def test_what_wastes_most_comes_first_page_by_page(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    await write(
        database,
        *(
            asset(f"{name}{number:02}", size=size, sha256=name)
            for name, count, size in (("a", 2, 50), ("b", 6, 10), ("c", 12, 1), ("d", 6, 10), ("e", 2, 1000))
            for number in range(count)
        ),
    )
    pages: list[Group] = []
    after = None
    while page := await catalog.duplicates("sha256", Among(["c"]), after=after, limit=2, members=3):
        pages += page
        after = page[-1]
    assert [(group.name[0], group.count, group.wasted) for group in pages] == [
        ("e", 2, 1000),
        ("a", 2, 50),
        ("b", 6, 50),
        ("d", 6, 50),
        ("c", 12, 11),
    ]
    assert [len(group.members) for group in pages] == [2, 2, 3, 3, 3]


async def test_they_are_found_across_buckets_and_connections_but_not_beyond(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    await write(database, asset("p/one", sha256="s"), asset("q/two", sha256="s"))
    await write(database, asset("p/three", sha256="s"), place=Place("d", "other"))
    await write(database, asset("four", sha256="s"), place=Place("another workspace's", "b"))
    assert told(await groups(catalog)) == [("sha256", 3, "p/one q/two p/three")]
    assert told(await groups(catalog, Among(["c"]))) == [("sha256", 2, "p/one q/two")]
    assert told(await groups(catalog, Among(["c", "d"], "b", b"p/"))) == []
    await database.transaction(lambda tx: tx.execute(sa.update(table).values(version_id="v1")))
    assert await groups(catalog) == []


def test_where_sidecars_may_be() -> None:
    assert keys_of(b"p/a.jpg") == [b"p/a.json", b"p/a.txt", b"p/a.jpg.json", b"p/a.jpg.txt"]
    assert keys_of(b"p.q/a") == [b"p.q/a.json", b"p.q/a.txt"]
    assert keys_of(b"p/.a") == [b"p/.a.json", b"p/.a.txt"]
    assert keys_of(b"p/a.json") == keys_of(b"p/a.txt") == keys_of(b"p/") == []


@given(st.binary(max_size=12))
def test_a_sidecar_stands_in_the_same_folder(key: bytes) -> None:
    for one in keys_of(key):
        assert one != key
        assert one.rpartition(b"/")[0] == key.rpartition(b"/")[0]
        assert keys_of(one) == []


async def test_the_sidecars_of_a_page_are_found_in_one_query(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    await write(
        database,
        asset("a.jpg"),
        asset("a.json", content="of a.*"),
        asset("a.jpg.txt", content="of a.jpg"),
        asset("a.txt", content="gone", state="removed"),
        asset("b.jpg"),
        asset("b.json"),  # too large, or not read at depth content
        asset("sub/a.jpg"),
        *(asset(f"many/{number:04}.png") for number in range(600)),
        asset("many/0007.png.json", content="{}"),
    )
    await write(database, asset("b.txt", content="another connection's"), place=Place("d", "b"))
    await write(database, asset("b.txt", content="another bucket's"), asset("c.jpg"), place=Place("c", "other"))
    await write(database, asset("c.json", content="of c"), place=Place("c", "other"))
    rows = await catalog.find_assets(["c", "d"], limit=1000)
    asked: list[str] = []
    _, reader = engines(database)
    event.listen(reader, "before_cursor_execute", lambda *given: asked.append(given[2]))
    found = await catalog.sidecars(rows)
    assert sum("FROM assets" in statement for statement in asked) == 1
    assert {row["key"].decode(): beside for row, beside in zip(rows, found, strict=True) if beside} == {
        "a.jpg": [Sidecar(b"a.jpg.txt", "of a.jpg"), Sidecar(b"a.json", "of a.*")],
        "many/0007.png": [Sidecar(b"many/0007.png.json", "{}")],
        "c.jpg": [Sidecar(b"c.json", "of c")],
    }
    assert await catalog.sidecars([]) == []
