"""Hostile files: a sample of what `make fuzz` reads, and that it would notice what it looks for."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ingest.media.properties import Media
from ingest.media.reading import Reading
from tests.media.corpus import Fetched
from tests.media.fuzz import play
from tests.media.judging import CPU_MOST_S, MEMORY_MOST, complaint, judge
from tests.media.mutating import Input, Source, make, sources

SAMPLE, SEED = 5_000, 6
ONE = Input("bmp/24.bmp", b"BM" + bytes(100), 102, 102)


@pytest.fixture(scope="module")
def corpus() -> list[Source]:
    return sources()


def test_a_sample_of_hostile_files_does_no_harm(corpus: list[Source]) -> None:
    tally = play(SEED, range(SAMPLE), corpus)
    assert tally.problems == [], f"play one again with: python -m tests.media.fuzz --seed {SEED} --only NUMBER"
    assert tally.inputs == SAMPLE
    assert tally.outcomes["read"] + tally.outcomes["broken"] > SAMPLE / 2, "most must get past the first bytes"


def test_an_input_is_made_again_by_its_number(corpus: list[Source]) -> None:
    assert [make(1, number, corpus) for number in range(200)] == [make(1, number, corpus) for number in range(200)]


def _says(media: Media, needs: tuple[int, int] | None = None) -> Callable[[Input], Fetched]:
    return lambda _: Fetched(Reading(media, needs), ((0, 1),))


def _raises(error: type[BaseException]) -> Callable[[Input], Fetched]:
    def run(_: Input) -> Fetched:
        raise error

    return run


def _burns(_: Input) -> Fetched:
    until = time.process_time() + 1.2 * CPU_MOST_S
    while time.process_time() < until:
        pass
    return Fetched(Reading(Media()), ())


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (_raises(AttributeError), "raised AttributeError"),
        (_raises(MemoryError), "raised MemoryError"),
        (_raises(RecursionError), "raised RecursionError"),
        (_burns, "it took"),
        (_says(Media(width=1 << 31)), "width is out of bounds"),
        (_says(Media(height=-1)), "height is out of bounds"),
        (_says(Media(duration_s=float("nan"))), "duration_s is out of bounds"),
        (_says(Media(more={"bit_rate": float("inf")})), "JSON can't be written"),
        (_says(Media(more={"camera_make": "a\x00b"})), "camera_make holds NUL"),
        (_says(Media(more={"camera_make": "\ud800"})), "camera_make is no UTF-8"),
        (_says(Media(more={"camera_make": "a" * 1_001})), "camera_make is too long"),
        (_says(Media(more={"shutter": 1})), "no such properties"),
        (_says(Media(more={"frames": True})), "frames is of the wrong type"),
        (_says(Media(more={"latitude": 91.0})), "latitude is out of bounds"),
        (_says(Media(), (100, 3)), "it asks for 3 bytes at 100 of 102"),
        (_says(Media(), (0, 0)), "it asks for 0 bytes"),
    ],
)
def test_what_is_wrong_is_noticed(run: Callable[[Input], Fetched], why: str) -> None:
    assert why in str(judge(ONE, run).wrong)


def test_too_much_memory_is_noticed(corpus: list[Source]) -> None:
    def greedy(_: Input) -> Fetched:
        return Fetched(Reading(Media(more={"frames": len(b"\x01" * (MEMORY_MOST + 1000))})), ())

    (problem,) = {why for _, _, why in play(1, range(3), corpus, greedy).problems}
    assert problem.startswith("it took 16,7")


def test_all_is_well_with_what_is_well() -> None:
    assert (
        complaint(
            Media("video", "mp4", "video/mp4", 1, 1, 0.0, {"has_audio": False, "rotation": 90, "frame_rate": 25.0})
        )
        is None
    )
