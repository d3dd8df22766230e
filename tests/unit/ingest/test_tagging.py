"""Tags as they are stored, whatever a server says that they are called."""

from __future__ import annotations

import json

from ingest.catalog.assets import Asset
from ingest.model import Entry
from ingest.once import Once
from ingest.probe.records import listed
from ingest.tagging import Tagging
from tests.fakes.bucket import FakeBucket

ENTRY = Entry(b"k", 1, "e", "2026-01-01T00:00:00.000Z", "STANDARD")


class _Tags:
    async def tags(self, key: bytes, *, probed: str = "", version_id: str = "") -> dict[str, str]:
        return {"a": "b", "\0": "nul", "": ""}


async def test_a_tag_without_a_name_breaks_nothing() -> None:
    tagging = Tagging(_Tags(), bucket="bkt", connection="default", once=Once())
    asset: Asset = await tagging(FakeBucket(), ENTRY, listed(ENTRY, "present"))
    assert json.loads(asset.tags or "") == {"": "", "a": "b"}
