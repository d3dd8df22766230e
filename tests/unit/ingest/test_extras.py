"""What is done with objects besides looking at them, once for each, on every kind of catalog."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from config.limits import Limits
from ingest.catalog.assets import Asset
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
