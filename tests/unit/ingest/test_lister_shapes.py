"""What listing in parallel costs, on shapes of key spaces and a clock that jumps."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.keys import KeySpace
from benchmarks.shapes import SHAPES
from config.errors import AccessDeniedError
from ingest.lister import Lister
from ingest.model import Range
from ingest.remembered import NOTHING, Remembered, Tile, remember
from tests.fakes.key_space import FarBucket, run_in_no_time

PAGE, PAGES = 100, 1000
_LATENCY_S = 0.05


async def _count(bucket: FarBucket, streams: int) -> int:
    return sum(tile.listed for tile in await _tiles(bucket, streams))


async def _tiles(bucket: FarBucket, streams: int, remembered: Remembered = NOTHING) -> list[Tile]:
    lister = Lister(source=bucket, prefix=b"", todo=[Range()], streams=streams, ahead=4, remembered=remembered)
    tiles = []
    async with lister.started():
        while (piece := await lister.next()) is not None:
            tiles.append(Tile(piece.within.lo, piece.within.hi, len(piece.entries), None))
            await asyncio.sleep(0)
    return sorted(tiles, key=lambda tile: tile.lo or b"")


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


def seen_before(space: KeySpace, streams: int) -> Remembered:
    tiles, _ = run_in_no_time(_tiles(FarBucket(space, PAGE, latency_s=_LATENCY_S), streams))
    return remember(tiles, page_keys=PAGE)


@pytest.mark.parametrize("pages", [1.5, 3, 100])
@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_what_was_listed_before_is_listed_again_with_hardly_a_request_too_many(shape: str, pages: float) -> None:
    """No more than there were pages, as far as those that were cut short can't be joined to one; and a few where joined ones end
    behind their last key.
    """
    space = SHAPES[shape](int(PAGE * pages))
    bucket, remembered = FarBucket(space, PAGE, latency_s=_LATENCY_S), seen_before(space, 16)
    tiles, seconds = run_in_no_time(_tiles(bucket, 16, remembered))
    assert sum(tile.listed for tile in tiles) == space.count
    fewest = -(-space.count // PAGE)
    assert 100 * (len(remembered.cuts.ends) + 1) <= (200 if pages < 10 else 115) * fewest
    assert bucket.lists <= 1.1 * len(remembered.cuts.ends) + 4
    assert seconds <= _LATENCY_S * (fewest / 16 + 6)


@pytest.mark.parametrize("shape", ["flat", "hash", "directories", "numbers"])
def test_a_bucket_that_grew_a_hundredfold_is_listed_at_once_all_the_same(shape: str) -> None:
    remembered, space = seen_before(SHAPES[shape](PAGE * 10), 16), SHAPES[shape](PAGE * PAGES)
    bucket = FarBucket(space, PAGE, latency_s=_LATENCY_S)
    tiles, seconds = run_in_no_time(_tiles(bucket, 16, remembered))
    assert sum(tile.listed for tile in tiles) == space.count
    assert bucket.lists <= 1.3 * PAGES
    assert seconds <= 2 * _LATENCY_S * PAGES / 16
