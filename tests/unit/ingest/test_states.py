"""What state an object is in is a fact of its record: archived, being restored, restored, empty, denied."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from config.database import Database
from config.errors import AccessDeniedError, RetryRefusedError
from config.limits import Limits
from ingest.catalog.catalog import Catalog
from ingest.catalog.retrying import Retries, chosen
from ingest.catalog.runs import Run
from ingest.probe.records import restore_of
from tests.fakes.bucket import FakeBucket
from tests.fakes.running import a_catalog, new_run, rejected, work_all
from tests.postgres import Kind

LIMITS = Limits(heartbeat_s=60, lease_s=600, removals_min=1, removals_share=0.1)
UNTIL = "Fri, 04 Dec 2026 00:00:00 GMT"
ONGOING = {"x-amz-restore": 'ongoing-request="true"'}
RESTORED = {"x-amz-restore": f'ongoing-request="false", expiry-date="{UNTIL}"'}
TIER = {"x-amz-archive-status": "DEEP_ARCHIVE_ACCESS"}


@pytest.fixture(name="here")
async def _here(tmp_path: Path, kind: Kind) -> AsyncGenerator[tuple[Catalog, Database]]:
    async with a_catalog(tmp_path, LIMITS, kind=kind) as both:
        yield both


def archive() -> FakeBucket:
    """One object of each kind."""
    bucket = FakeBucket()
    for key in (b"frozen", b"restoring", b"restored"):
        bucket.put(key, size=100, storage="DEEP_ARCHIVE")
    bucket.put(b"plain", size=100)
    bucket.put(b"tier", size=100, storage="INTELLIGENT_TIERING")
    bucket.headers = {b"restoring": ONGOING, b"restored": RESTORED, b"tier": TIER}
    return bucket


async def ingest(catalog: Catalog, bucket: FakeBucket, **job: object) -> tuple[Run, dict[str, int]]:
    return await worked(catalog, bucket, await new_run(catalog, **job))


async def worked(catalog: Catalog, bucket: FakeBucket, run_id: str) -> tuple[Run, dict[str, int]]:
    bucket.requests.clear()
    run = await work_all(catalog, bucket, LIMITS, run_id)
    totals = (await catalog.run(run_id))[1]
    return run, {name: count for name, count in totals.outcomes.items() if count}


async def rows(catalog: Catalog) -> dict[str, Any]:
    return {row["key"].decode(): row for row in await catalog.find_assets(["c"])}


def asked(bucket: FakeBucket) -> dict[str, str]:
    """What was asked of each object."""
    return {
        key.decode(): "+".join(kind for kind, other in bucket.requests if other == key and kind != "list")
        for _, key in bucket.requests
        if key
    }


@pytest.mark.acceptance("LS-13")
@pytest.mark.parametrize("depth", ["head", "media"])
async def test_an_archived_object_is_a_state_and_no_failure(here: tuple[Catalog, Database], depth: str) -> None:
    catalog, _ = here
    bucket = archive()
    run, outcomes = await ingest(catalog, bucket, depth=depth)
    assert (run.state, outcomes) == ("complete", {"archived": 3, "added": 2})
    found = await rows(catalog)
    assert {key: (row["state"], row["restore"]) for key, row in found.items()} == {
        "frozen": ("archived", None),
        "plain": ("present", None),
        "restored": ("present", "2026-12-04T00:00:00Z"),
        "restoring": ("archived", "ongoing"),
        "tier": ("archived", None),
    }
    assert json.loads(found["tier"]["headers"]) == TIER
    read = {
        "frozen": "head",
        "restoring": "head",
        "restored": "head+get" if depth == "media" else "head",
        "plain": "get" if depth == "media" else "head",
        "tier": "get+head" if depth == "media" else "head",
    }
    assert asked(bucket) == read


@pytest.mark.acceptance("LS-13")
async def test_what_is_being_restored_is_looked_at_again_until_it_can_be_read(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = archive()
    await ingest(catalog, bucket, depth="media")
    assert (await ingest(catalog, bucket, depth="media"))[1] == {"unchanged": 4, "archived": 1}
    assert asked(bucket) == {"restoring": "head"}
    bucket.headers[b"restoring"] = RESTORED
    assert (await ingest(catalog, bucket, depth="media"))[1] == {"unchanged": 4, "changed": 1}
    assert (await rows(catalog))["restoring"]["state"] == "present"
    assert (await ingest(catalog, bucket, depth="media"))[1] == {"unchanged": 5}
    assert asked(bucket) == {}


async def test_what_was_archived_is_looked_at_again_when_somebody_says_so(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    bucket = archive()
    parent, _ = await ingest(catalog, bucket, depth="media")
    bucket.headers[b"frozen"] = RESTORED
    assert (await ingest(catalog, bucket, depth="media"))[1] == {"unchanged": 4, "archived": 1}
    retries = Retries(database=database, workspace="main", limits=LIMITS)
    again = await retries.create(parent, what=chosen(parent, "archived"), connection_id="c")
    assert (await worked(catalog, bucket, again.id))[1] == {"unchanged": 1, "changed": 2, "archived": 2}
    assert set(asked(bucket)) >= {"frozen", "restoring", "tier"}
    assert (await rows(catalog))["frozen"]["state"] == "present"
    failed = await retries.create(parent, what="failed", connection_id="c")  # which is being restored
    assert (await worked(catalog, bucket, failed.id))[1]["archived"] == 1
    bucket.headers |= {b"restoring": RESTORED, b"tier": {}}
    assert (await ingest(catalog, bucket, depth="media", recheck_archived=True))[1] == {"unchanged": 1, "changed": 4}
    with pytest.raises(RetryRefusedError, match=r"no object of run .* is archived"):
        await retries.create(parent, what="archived", connection_id="c")


async def test_what_was_restored_once_is_looked_at_again_too(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = archive()
    await ingest(catalog, bucket, depth="media")
    del bucket.headers[b"restored"]  # the restore has run out
    again = await ingest(catalog, bucket, depth="media", recheck_archived=True)
    assert again[1] == {"unchanged": 1, "archived": 4}
    row = (await rows(catalog))["restored"]
    assert (row["state"], row["restore"]) == ("archived", None)
    assert row["media"] is not None  # what was read of it stays known


async def test_a_mark_that_is_taken_back_leaves_the_state_that_was(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = archive()
    await ingest(catalog, bucket, depth="head")
    before = {key: row["state"] for key, row in (await rows(catalog)).items()}
    kept, bucket.objects = bucket.objects, {b"plain": bucket.objects[b"plain"]}
    run, _ = await ingest(catalog, bucket, depth="head", include=["plain"])
    assert run.state == "needs_confirmation"
    await rejected(catalog, run.id)
    bucket.objects = kept
    await ingest(catalog, bucket, depth="head", include=["none"])
    assert {key: row["state"] for key, row in (await rows(catalog)).items()} == before


async def test_an_empty_object_and_a_folder_are_asked_for_headers_alone(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    bucket.put(b"a/", size=0)
    bucket.put(b"a/empty.jpg", size=0)
    await ingest(catalog, bucket, depth="media")
    kinds = {key: json.loads(row["media"])["kind"] for key, row in (await rows(catalog)).items()}
    assert kinds == {"a/": "folder", "a/empty.jpg": "empty"}
    assert asked(bucket) == {"a/": "head", "a/empty.jpg": "head"}


async def test_an_object_under_a_key_that_is_denied_is_a_state_with_its_own_code(
    here: tuple[Catalog, Database],
) -> None:
    catalog, _ = here
    bucket = archive()

    def before(request: str, key: bytes) -> None:
        if request == "get" and key == b"plain":
            raise AccessDeniedError("not for you", code="KmsDenied")

    bucket.before = before
    run, outcomes = await ingest(catalog, bucket, depth="media")
    assert (run.state, outcomes) == ("partial", {"archived": 3, "failed": 1, "added": 1})
    assert (await rows(catalog))["plain"]["error_code"] == "KmsDenied"


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (ONGOING["x-amz-restore"], "ongoing"),
        (RESTORED["x-amz-restore"], "2026-12-04T00:00:00Z"),
        ('ongoing-request="false", expiry-date="soon"', None),
        ('ongoing-request="false", expiry-date="Fri, 04 Dec 99999 00:00:00 GMT"', None),
        ("", None),
    ],
)
def test_a_restore_header_says_until_when(header: str, says: str | None) -> None:
    assert restore_of(header) == says
