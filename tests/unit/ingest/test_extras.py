"""What is done with objects besides looking at them, once for each, on every kind of catalog."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from config.limits import Limits
from ingest.catalog.assets import Asset, Place
from ingest.catalog.catalog import Catalog
from ingest.copy_place import CopyPlace
from ingest.model import Entry
from ingest.probe.looking import ObjectSource
from tests.fakes.bucket import FakeBucket
from tests.fakes.running import a_catalog, a_slice, claimed, closed, new_run
from tests.postgres import Kind

LIMITS = Limits(heartbeat_s=60, lease_s=600)


class Copying:
    """A step that says where a copy is, and makes none."""

    def __init__(self, place: CopyPlace) -> None:
        self.place = place
        self.made = 0

    async def __call__(self, source: ObjectSource, entry: Entry, asset: Asset) -> Asset:
        self.made += 1
        key = self.place.key("bucket-a", entry.key).decode()
        return asset._replace(copied_to=f"s3://{self.place.bucket}/{key}")


async def copied(catalog: Catalog, bucket: FakeBucket, copy_to: str) -> tuple[int, Counter[str]]:
    """How many copies a run makes, and its outcomes."""
    step = Copying(CopyPlace.of(copy_to, targets=["s3://ours/"], workspace="main", connection="c"))
    run_id = await new_run(catalog, copy_to=copy_to)
    shard, run = await claimed(catalog, run_id=run_id)
    await a_slice(catalog, shard, run, bucket, LIMITS, steps=lambda _bucket: [step], copies=step.place).work()
    await closed(catalog, run_id)
    outcomes = (await catalog.run(run_id))[1].outcomes
    return step.made, Counter({name: count for name, count in outcomes.items() if count})


@pytest.mark.acceptance("CG-10")
@pytest.mark.parametrize("remembered", [False, True])
async def test_a_copy_that_is_there_is_not_made_again_and_another_place_is_another_copy(
    tmp_path: Path, kind: Kind, remembered: bool
) -> None:
    limits = LIMITS if remembered else LIMITS.model_copy(update={"remembered_spans": 0})
    bucket = FakeBucket()
    for name in (b"a", b"b", b"c"):
        bucket.put(name)
    async with a_catalog(tmp_path, limits, kind=kind) as (catalog, _):
        assert await copied(catalog, bucket, "s3://ours/x/") == (3, Counter(added=3))
        assert await copied(catalog, bucket, "s3://ours/x/") == (0, Counter(unchanged=3))
        assert await copied(catalog, bucket, "s3://ours/") == (3, Counter(changed=3))
        bucket.put(b"b", size=7)
        assert await copied(catalog, bucket, "s3://ours/") == (1, Counter(unchanged=2, changed=1))


@pytest.mark.acceptance("CG-10")
async def test_where_an_object_was_copied_to_is_known_as_long_as_it_is_the_same(tmp_path: Path, kind: Kind) -> None:
    bucket = FakeBucket()
    bucket.put(b"a")
    async with a_catalog(tmp_path, LIMITS, kind=kind) as (catalog, _):
        await copied(catalog, bucket, "s3://ours/x/")
        [row] = await catalog.find_assets(["c"])
        entry = Entry(b"a", row["size"], row["etag"], row["last_modified"], row["storage_class"])
        place = Place("c", "bucket-a")
        assert await catalog.copied(place, entry) == (row["copied_to"], row["probed_version_id"])
        for other in (
            entry._replace(size=entry.size + 1),
            entry._replace(etag="another"),
            entry._replace(last_modified="another"),
            entry._replace(storage_class="GLACIER_IR"),
            entry._replace(checksum_algorithm="CRC32"),
            entry._replace(version_id="1"),
            entry._replace(key=b"b"),
        ):
            assert await catalog.copied(place, other) is None
        assert await catalog.copied(Place("c", "bucket-b"), entry) is None
