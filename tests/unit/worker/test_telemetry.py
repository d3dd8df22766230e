"""Events become metrics, and nobody outside decides how many."""

from __future__ import annotations

import re
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from credentials.events import SessionRefreshed, SessionServed
from ingest.events import GateChanged, RequestMade, RunEnded, SliceEnded, SpanCommitted
from worker.telemetry import Telemetry


def values(telemetry: Telemetry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(telemetry.render().decode())
        for sample in family.samples
    }


def value(telemetry: Telemetry, name: str, **labels: str) -> float:
    found = {key.rstrip("_"): text for key, text in labels.items()}
    return values(telemetry)[f"longshore_{name}", tuple(sorted(found.items()))]


def head(**changes: object) -> RequestMade:
    fields = {"bucket": "b", "request": "head", "outcome": "ok", "seconds": 0.02, "bytes_read": 10}
    return RequestMade(**{**fields, **changes})  # type: ignore[arg-type]  # fields of a test


def test_requests_are_counted_by_class_and_outcome_with_their_time_and_bytes() -> None:
    telemetry = Telemetry(version="1")
    for event in (head(), head(), head(outcome="SlowDown"), head(request="list", bytes_read=1000, seconds=0.3)):
        telemetry.observe(event)
    assert value(telemetry, "requests_total", bucket="b", class_="head", outcome="ok") == 2
    assert value(telemetry, "requests_total", bucket="b", class_="head", outcome="SlowDown") == 1
    assert value(telemetry, "read_bytes_total", bucket="b", class_="list") == 1000
    assert value(telemetry, "request_seconds_count", class_="head", outcome="ok") == 2
    assert value(telemetry, "request_seconds_bucket", class_="list", outcome="ok", le="0.25") == 0
    assert value(telemetry, "request_seconds_bucket", class_="list", outcome="ok", le="0.5") == 1


def test_the_pace_of_a_bucket_is_shown_by_class() -> None:
    telemetry = Telemetry(version="1")
    telemetry.observe(GateChanged(bucket="b", request="list", places=80, rate=None))
    telemetry.observe(GateChanged(bucket="b", request="read", places=64, rate=1900.5))
    assert value(telemetry, "gate_rate", bucket="b", class_="list") == 0
    assert value(telemetry, "gate_rate", bucket="b", class_="read") == 1900.5
    assert value(telemetry, "gate_in_flight_limit", bucket="b", class_="list") == 80
    telemetry.observe(GateChanged(bucket="b", request="read", places=64, rate=None))
    assert value(telemetry, "gate_rate", bucket="b", class_="read") == 0


def test_objects_rows_and_commits_are_counted() -> None:
    telemetry = Telemetry(version="1")
    for _ in range(2):
        outcomes = {"added": 3, "failed": 1, "vanished": 0}
        telemetry.observe(SpanCommitted(connection="c", outcomes=outcomes, rows=4, seconds=0.003))
    assert value(telemetry, "objects_total", connection="c", outcome="added") == 6
    assert value(telemetry, "objects_total", connection="c", outcome="failed") == 2
    assert value(telemetry, "rows_written_total", connection="c") == 8
    assert value(telemetry, "commit_seconds_count") == 2
    assert ("longshore_objects_total", (("connection", "c"), ("outcome", "vanished"))) not in values(telemetry)


def test_runs_and_slices_are_counted_by_how_they_ended() -> None:
    telemetry = Telemetry(version="1")
    telemetry.observe(SliceEnded(connection="c", outcome="paused", seconds=61))
    telemetry.observe(RunEnded(connection="c", state="complete", seconds=62))
    assert value(telemetry, "slices_total", connection="c", outcome="paused") == 1
    assert value(telemetry, "runs_total", connection="c", state="complete") == 1
    assert value(telemetry, "run_seconds_sum", state="complete") == 62


def test_sessions_are_counted_and_the_last_one_s_life_runs_down(monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry = Telemetry(version="1")
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    telemetry.observe(SessionServed(connection="c", how="miss", usable_s=100))
    telemetry.observe(SessionServed(connection="c", how="hit", usable_s=60))
    telemetry.observe(SessionServed(connection="keys", how="hit", usable_s=None))
    telemetry.observe(
        SessionRefreshed(connection="c", session_name="longshore-run-1", outcome="AccessDenied", seconds=0.1)
    )
    assert value(telemetry, "sessions_served_total", connection="c", how="hit") == 1
    assert value(telemetry, "session_refreshes_total", connection="c", outcome="AccessDenied") == 1
    assert value(telemetry, "session_usable_seconds", connection="c") == 60
    now += 45
    assert value(telemetry, "session_usable_seconds", connection="c") == 15
    now += 45
    assert value(telemetry, "session_usable_seconds", connection="c") == 0
    text = telemetry.render().decode()
    assert "longshore-run-1" not in text
    assert 'session_usable_seconds{connection="keys"}' not in text


def test_the_number_of_series_is_bounded_whatever_a_server_answers() -> None:
    telemetry = Telemetry(version="1")
    for number in range(2_000):
        telemetry.observe(head(outcome=f"Code{number}", bucket=f"bucket-{number}"))
        telemetry.observe(RunEnded(connection=f"c{number}", state="complete", seconds=1))
        telemetry.observe(GateChanged(bucket=f"bucket-{number}", request="read", places=64, rate=5.0))
    names = [name for name, _ in values(telemetry)]
    assert names.count("longshore_requests_total") <= 201
    assert names.count("longshore_request_seconds_count") <= 101
    assert names.count("longshore_runs_total") == 501
    assert names.count("longshore_gate_rate") <= 201
    assert value(telemetry, "runs_total", connection="other", state="complete") == 1_500


def test_what_is_only_known_when_asked_is_asked() -> None:
    telemetry = Telemetry(version="1")
    up = True
    telemetry.watch(catalog_waiting=lambda: 3, slots_busy=lambda: 3, redis_up=lambda: up)
    assert value(telemetry, "slots_busy") == 3
    assert value(telemetry, "redis_up") == 1
    up = False
    assert value(telemetry, "redis_up") == 0


def test_two_processes_in_one_interpreter_do_not_share_a_registry() -> None:
    first, second = Telemetry(version="1"), Telemetry(version="1")
    first.queue(depth=4, age_s=2.5)
    assert value(first, "queue_depth") == 4
    assert value(second, "queue_depth") == 0


def test_names_are_in_base_units_and_explained() -> None:
    telemetry = Telemetry(version="1")
    ours = [f for f in text_string_to_metric_families(telemetry.render().decode()) if f.name.startswith("longshore_")]
    assert len(ours) > 15
    for family in ours:
        assert family.documentation.endswith("."), family.name
        assert not re.search(r"_(ms|milliseconds|kb|mb|minutes)(_|$)", family.name)
