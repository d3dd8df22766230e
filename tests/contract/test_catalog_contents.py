"""When content changed, and when only what is said about it: the same rule on each database."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from config.database import Database
from config.limits import Limits
from ingest.catalog import assets
from ingest.catalog.assets import Asset, Place, records_of
from ingest.catalog.tables import assets as table
from tests.fakes.running import a_catalog
from tests.postgres import Kind

PLACE = Place("c", "b")
BEFORE = Asset(b"k", 10, "e1", "t1", "STANDARD", "CRC64NVME FULL_OBJECT", "present", "content")
CRC = {"checksum_algorithm": "CRC64NVME", "checksum": "AAAA", "checksum_type": "FULL_OBJECT"}


@pytest.fixture(name="database")
async def _database(tmp_path: Path, kind: Kind) -> AsyncGenerator[Database]:
    async with a_catalog(tmp_path, Limits(), kind=kind) as (_, database):
        yield database


async def write(database: Database, *records: Asset, place: Place = PLACE) -> None:
    await database.transaction(lambda tx: assets.bring(tx, [records_of(records)])(place, "run"))


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "metadata alone": ({"metadata": "{}"}, {"metadata": '{"a": "b"}', "last_modified": "t2"}, True),
    "storage class": ({}, {"storage_class": "GLACIER", "state": "archived"}, True),
    "it could not be read": ({"sha256": "x"}, {"state": "failed", "error_code": "AccessDenied"}, True),
    "another size": ({}, {"size": 11}, False),
    "another ETag, and nothing else is known": ({}, {"etag": "e2"}, False),
    "another ETag, the same SHA-256": ({"sha256": "x"}, {"etag": "e2", "sha256": "x"}, True),
    "another ETag, the same MD5": ({"md5": "x"}, {"etag": "e2", "md5": "x"}, True),
    "another ETag, the same checksum": (CRC, {"etag": "e2", **CRC}, True),
    "SHA-256 decides": (CRC | {"sha256": "x"}, {"etag": "e2", **CRC, "sha256": "y"}, False),
    "MD5 decides over a checksum": (CRC | {"md5": "x"}, {"etag": "e2", **CRC, "md5": "y"}, False),
    "SHA-256 decides over MD5": ({"md5": "x", "sha256": "x"}, {"etag": "e2", "md5": "x", "sha256": "y"}, False),
    "a checksum of parts proves nothing": (
        CRC | {"checksum_type": "COMPOSITE"},
        {"etag": "e2", **CRC, "checksum_type": "COMPOSITE"},
        False,
    ),
    "another algorithm": (CRC, {"etag": "e2", **CRC, "checksum_algorithm": "CRC32"}, False),
    "no ETags, the same time": ({"etag": ""}, {"etag": ""}, True),
    "no ETags, another time": ({"etag": ""}, {"etag": "", "last_modified": "t2"}, False),
}


@pytest.mark.acceptance("LS-12")
async def test_a_change_of_metadata_alone_is_told_apart_from_a_change_of_content(database: Database) -> None:
    """All cases in one write, as a span has them."""
    names = sorted(CASES)
    keys = {name: f"{number:02}".encode() for number, name in enumerate(names)}
    before = [BEFORE._replace(key=keys[name], **CASES[name][0]) for name in names]
    await write(database, *before)
    await database.transaction(lambda tx: tx.execute(sa.update(table).values(changed_at=7, content_changed_at=5)))
    after = [BEFORE._replace(key=keys[name], **CASES[name][1]) for name in names]
    await write(database, *after)
    rows = await _rows(database)
    assert {name: rows[keys[name]].content_changed_at == 5 for name in names} == {
        name: same for name, (_, _, same) in CASES.items()
    }
    assert all(row.changed_at > 7 for row in rows.values())


async def test_what_is_new_changed_now_and_what_is_old_when_it_last_did(database: Database) -> None:
    await write(database, BEFORE, BEFORE._replace(key=b"l"))
    rows = await _rows(database)
    assert all(row.content_changed_at == row.changed_at == row.first_seen_at for row in rows.values())
    await database.transaction(lambda tx: tx.execute(sa.update(table).values(changed_at=7, content_changed_at=None)))
    await write(database, BEFORE, BEFORE._replace(key=b"l", size=2))
    rows = await _rows(database)
    assert rows[b"k"].content_changed_at == 7
    assert rows[b"l"].content_changed_at == rows[b"l"].changed_at > 7


async def _rows(database: Database) -> dict[bytes, Any]:
    return await database.read(lambda tx: {bytes(row.key): row for row in tx.execute(sa.select(table))})


KNOWN: dict[str, Any] = {
    **CRC,
    "content_type": "image/png",
    "md5": "m",
    "sha256": "s",
    "media_type": "image/png",
    "width": 3,
    "height": 2,
    "media": '{"kind":"image"}',
    "tags": '{"a":"1"}',
    "copied_to": "s3://ours/k",
    "verified": "MD5",
    "perceptual_hash": "00ff",
    "content": "text",
}


async def rows(database: Database) -> list[dict[str, Any]]:
    return await database.read(lambda tx: [dict(row) for row in tx.execute(sa.select(table)).mappings()])


async def test_what_is_asked_for_one_thing_more_keeps_what_was_known_of_an_object_that_is_the_same(
    database: Database,
) -> None:
    await write(database, BEFORE._replace(**KNOWN))
    await write(database, BEFORE._replace(depth="head", content_type="image/jpeg", tags='{"a":"2"}'))
    (row,) = await rows(database)
    expected = KNOWN | {"content_type": "image/jpeg", "tags": '{"a":"2"}', "depth": "content", "state": "present"}
    assert {name: row[name] for name in expected} == expected
    await write(database, BEFORE._replace(depth="media", media='{"kind":"unknown"}'))
    (row,) = await rows(database)
    assert (row["media"], row["media_type"], row["width"]) == ('{"kind":"unknown"}', None, None)
    assert (row["depth"], row["sha256"], row["copied_to"]) == ("content", "s", "s3://ours/k")


@pytest.mark.parametrize(
    "changed", [{"last_modified": "t2"}, {"storage_class": "GLACIER", "state": "archived"}, {"listed_checksum": ""}]
)
async def test_what_was_read_of_a_content_that_is_the_same_stays_whatever_is_said_about_it_now(
    database: Database, changed: dict[str, Any]
) -> None:
    await write(database, BEFORE._replace(**KNOWN))
    await write(database, BEFORE._replace(depth="head", **changed))
    (row,) = await rows(database)
    read = ("md5", "sha256", "media_type", "width", "media", "verified", "perceptual_hash", "content")
    assert {name: row[name] for name in read} == {name: KNOWN[name] for name in read}
    assert (row["tags"], row["copied_to"], row["content_type"], row["depth"]) == (None, None, None, "head")


@pytest.mark.parametrize(
    "changed",
    [
        {"size": 11},
        {"etag": "e2"},
        {"state": "failed", "error_code": "AccessDenied", "depth": "list"},
    ],
)
async def test_nothing_of_an_object_s_former_self_stays_beside_its_new_one(
    database: Database, changed: dict[str, Any]
) -> None:
    await write(database, BEFORE._replace(**KNOWN))
    await write(database, BEFORE._replace(**{"depth": "head", **changed}))
    (row,) = await rows(database)
    assert {name: row[name] for name in KNOWN} == dict.fromkeys(KNOWN)
    assert row["depth"] == changed.get("depth", "head")


async def test_a_look_that_could_not_do_all_it_was_asked_keeps_what_was_known(database: Database) -> None:
    """A copy that was denied, say; and a listing that comes after it says nothing of what it does not see."""
    await write(database, BEFORE._replace(**KNOWN))
    await write(
        database, BEFORE._replace(depth="head", content_type="image/png", state="failed", error_code="CopyDenied")
    )
    (row,) = await rows(database)
    assert {name: row[name] for name in KNOWN} == KNOWN
    assert (row["state"], row["depth"]) == ("failed", "content")
    await write(database, BEFORE._replace(depth="list"))
    (row,) = await rows(database)
    assert {name: row[name] for name in KNOWN} == KNOWN
    assert (row["state"], row["depth"], row["error_code"]) == ("present", "content", None)


async def test_what_neither_etag_nor_date_tells_apart_is_taken_for_another(database: Database) -> None:
    bare = BEFORE._replace(etag="", last_modified="")
    await write(database, bare._replace(**KNOWN))
    await write(database, bare._replace(depth="head"))
    (row,) = await rows(database)
    assert {name: row[name] for name in KNOWN} == dict.fromkeys(KNOWN)
    assert row["depth"] == "head"
