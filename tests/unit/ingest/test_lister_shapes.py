"""What listing in parallel costs, on shapes of key spaces and a clock that jumps."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.keys import KeySpace
from benchmarks.shapes import SHAPES
from config.errors import AccessDeniedError
from ingest.lister import Lister
from ingest.model import Range
from tests.fakes.key_space import FarBucket, run_in_no_time

PAGE, PAGES = 100, 1000
_LATENCY_S = 0.05


async def _count(bucket: FarBucket, streams: int) -> int:
    lister = Lister(source=bucket, prefix=b"", todo=[Range()], streams=streams, ahead=4)
    count = 0
    async with lister.started():
        while (piece := await lister.next()) is not None:
            count += len(piece.entries)
            await asyncio.sleep(0)
    return count


def listed(space: KeySpace, streams: int, *, page_keys: int = PAGE) -> tuple[float, float]:
    """Requests over the fewest possible; and time over the floor, which is so many round trips on so many streams."""
    bucket = FarBucket(space, page_keys, latency_s=_LATENCY_S)
    count, seconds = run_in_no_time(_count(bucket, streams))
    assert count == space.count
    fewest = -(-count // page_keys)
    return bucket.lists / fewest, seconds / (_LATENCY_S * max(fewest / streams, 1))


@pytest.mark.acceptance("LS-01")
@pytest.mark.parametrize("streams", [16, 64])
@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_a_thousand_pages_cost_few_requests_more_and_come_at_once(shape: str, streams: int) -> None:
    ratio, slowness = listed(SHAPES[shape](PAGE * PAGES), streams)
    assert ratio <= (1.25 if shape in {"flat", "hash", "directories"} else 1.5)
    assert slowness < streams / 8  # at least eight times faster than one page after the other, whatever the shape


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_ten_pages_cost_less_than_twice_as_many_requests(shape: str) -> None:
    assert listed(SHAPES[shape](10_000), 64, page_keys=1000)[0] <= 2


@pytest.mark.parametrize("count", [0, 1, 999, 1000])
def test_a_page_is_one_request(count: int) -> None:
    bucket = FarBucket(SHAPES["hash"](max(count, 1)), 1000)
    assert run_in_no_time(_count(bucket, 64))[0] == max(count, 1)
    assert bucket.lists == 1


def test_without_folders_it_costs_hardly_more() -> None:
    bucket = FarBucket(SHAPES["directories"](PAGE * PAGES), PAGE, refuses=AccessDeniedError)
    assert run_in_no_time(_count(bucket, 16))[0] == PAGE * PAGES
    assert bucket.lists <= 1.5 * PAGES
    assert bucket.by_folder == 1
