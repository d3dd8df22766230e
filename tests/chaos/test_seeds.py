"""Seeded schedules of `make chaos`, a few of them; and that they would find a bug if there were one."""

from __future__ import annotations

import pytest

from tests.chaos.plan import Kind, draw
from tests.chaos.run import schedules, table

SEEDS = 8
"""On each catalog: about a minute on two cores."""
KINDS: tuple[Kind, ...] = ("sqlite", "postgres")


@pytest.mark.acceptance("LS-02", "LS-03")
@pytest.mark.timeout(900)  # a machine that is busy with other things takes longer, and proves the same
async def test_nothing_is_lost_doubled_or_stuck() -> None:
    results = await schedules([(seed, kind) for seed in range(1, SEEDS + 1) for kind in KINDS], jobs=2)
    assert [(one.catalog, one.seed, one.problems) for one in results if one.problems] == []
    assert len(results) == SEEDS * len(KINDS)
    assert table(results, seconds=0)["faults_injected"] > SEEDS


@pytest.mark.timeout(600)
async def test_a_worker_that_loses_rows_is_found() -> None:
    """Else silence would prove nothing."""
    results = await schedules(
        [(seed, "sqlite") for seed in (2, 4, 5, 6)], jobs=1, tamper="blind-write", until_found=True
    )
    assert {"lost", "certificate"} & {kind for one in results for kind, _ in one.problems}


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_stands_for_one_plan(kind: Kind) -> None:
    assert draw(7, kind) == draw(7, kind)
    assert draw(7, kind) != draw(8, kind)
