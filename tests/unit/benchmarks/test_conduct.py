"""How the synthetic server behaves: its limit, its faults, its delays, each by its own clock and dice."""

from __future__ import annotations

from random import Random
from statistics import median

from benchmarks.conduct import FAULTS, Conduct, Stats, TokenBucket
from tests.fakes.clock import ManualClock


def test_the_limit_lets_a_burst_through_and_then_its_rate() -> None:
    clock = ManualClock()
    bucket = TokenBucket(100, burst_s=0.1, clock=clock.monotonic)
    assert sum(bucket.take() for _ in range(50)) == 10
    clock.advance(0.055)
    assert sum(bucket.take() for _ in range(50)) == 5
    clock.advance(60)
    assert sum(bucket.take() for _ in range(50)) == 10


def test_a_limit_counts_every_kind_of_reading_and_nothing_else() -> None:
    conduct = Conduct(limit=TokenBucket(10, clock=ManualClock().monotonic))
    assert [conduct.refuses(kind) for kind in ("list", "other", "head", "get")] == [False, False, True, True]


def test_faults_come_at_their_rate_the_same_for_the_same_seed() -> None:
    drawn = [
        [conduct.fault("head") for _ in range(2000)]
        for conduct in (Conduct(fault_rate=0.1, random=Random(7)), Conduct(fault_rate=0.1, random=Random(7)))
    ]
    assert drawn[0] == drawn[1]
    assert {fault for fault in drawn[0] if fault} == set(FAULTS)
    assert 140 < sum(fault is not None for fault in drawn[0]) < 260
    assert Conduct(fault_rate=1.0).fault("other") is None


def test_latency_is_the_median_of_what_jitter_spreads() -> None:
    assert Conduct(latency_s=0.05).delay_s() == 0.05
    drawn = [
        delay for conduct in [Conduct(latency_s=0.05, jitter=0.3)] for delay in (conduct.delay_s() for _ in range(999))
    ]
    assert 0.045 < median(drawn) < 0.055
    assert max(drawn) > 0.08


def test_what_was_asked_is_told_by_class_and_status() -> None:
    stats = Stats()
    for request, status in (("list", 200), ("head", 200), ("head", 503), ("head", 503)):
        stats.count(request, status, 10)
    told = stats.told()
    assert told["requests"] == {"list": {"200": 1}, "head": {"200": 1, "503": 2}}
    assert told["bytes"] == 40
    assert told["first_s"] <= told["last_s"]
