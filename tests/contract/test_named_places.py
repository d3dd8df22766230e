"""Whoever looks at named objects holds no place at the storage while waiting for another one: with few places, none would ever be free."""

from __future__ import annotations

import asyncio

import pytest

from config.limits import Limits
from ingest.catalog.assets import Asset
from ingest.model import Entry
from ingest.probe.content import Bodies, ContentProbe
from ingest.probe.looking import ObjectSource
from ingest.probe.sighting import Name, NamedLook, sight_of
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_access import s3_bench
from tests.fakes.s3_cases import small_limits

pytestmark = pytest.mark.usefixtures("transport")


async def _one_request_more(source: ObjectSource, entry: Entry, asset: Asset) -> Asset:
    """As tags are, or the parts of a copy."""
    await source.head(entry.key)
    return asset


@pytest.mark.acceptance("CG-01")
async def test_whole_objects_take_turns_however_few_places_there_are() -> None:
    s3 = FakeS3()
    s3.create_bucket("bkt")
    keys = [b"%d.txt" % number for number in range(6)]
    for key in keys:
        s3.put("bkt", key, b"hello")
    async with s3, s3_bench(s3, limits=small_limits(gate_first=2, gate_most=2)) as bench:
        probe = ContentProbe(Bodies(Limits()), perceptual_hash=False)
        look = NamedLook(sight=sight_of("content", lambda _key: 100), probe=probe, steps=[_one_request_more])
        async with asyncio.timeout(30):
            found = await asyncio.gather(*(look(bench.client, Name(key, None)) for key in keys))
    assert [one.outcome for one in found] == ["added"] * 6
