"""How runs and assets look to programs and to people."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.commands.audit import ACTIONS
from console.prices import cost_usd
from console.progress import Tally, progress_line
from console.show import (
    as_json,
    asset_record,
    certificate_lines,
    exit_code,
    hints,
    iso,
    reason,
    run_lines,
    run_summary,
    shown,
    shown_key,
    table,
    told,
)
from ingest.catalog.assets import asset_id
from ingest.catalog.runs import Run, Totals
from ingest.certificate import Certificate, Problem
from ingest.events import RequestMade, SpanCommitted
from ingest.job import IngestJob, PrefixSource
from tests.servers import ROOT

FIELDS = (
    "run job_id state connection listed added changed unchanged removed filtered vanished archived failed bytes requests seconds "
    "cost_usd error_code error parent schedule certificate uris depth asked submitted_at started_at finished_at"
)


def a_run(state: str = "complete", **fields: object) -> Run:
    given: dict[str, object] = {
        "id": "20261122-101500-0a1b2c3d",
        "workspace": "main",
        "connection_id": "c1",
        "connection": "acme",
        "job": IngestJob(connection="acme", uris=["s3://bucket/a/"]),
        "sources": (PrefixSource("bucket", b"a/"),),
        "state": state,
        "error_code": None,
        "error": None,
        "number": 1,
        "created_at": 1_000,
        "started_at": 2_000,
        "finished_at": 4_500,
    }
    return Run(**{**given, **fields})  # type: ignore[arg-type]  # a bag of fields


def totals() -> Totals:
    outcomes = {"filtered": 1, "unchanged": 2, "vanished": 3, "archived": 4, "failed": 5, "changed": 6, "added": 7}
    requests = {"list": 1000, "head": 2000, "get": 500, "sts": 9}
    return Totals(listed=28, outcomes=outcomes, known=10, missing=1, removed=8, requests=requests, bytes=12_345)


def test_a_run_for_programs_has_exactly_the_agreed_fields() -> None:
    summary = run_summary(a_run(), totals())
    assert sorted(summary) == sorted(FIELDS.split())
    assert set(summary["requests"]) == {"list", "head", "get", "sts"}
    assert summary["seconds"] == 2.5
    assert (summary["uris"], summary["depth"]) == (["s3://bucket/a/"], "head")
    times = [summary[name] for name in ("submitted_at", "started_at", "finished_at")]
    assert times == ["1970-01-01T00:00:01.000Z", "1970-01-01T00:00:02.000Z", "1970-01-01T00:00:04.500Z"]
    assert summary["removed"] == 8


def test_the_outcomes_of_a_run_add_up_to_what_was_listed() -> None:
    summary = run_summary(a_run(), totals())
    names = ("added", "changed", "unchanged", "filtered", "vanished", "archived", "failed")
    assert sum(summary[name] for name in names) == summary["listed"]


def test_requests_cost_what_s3_standard_charges_in_us_east_1() -> None:
    assert cost_usd({"list": 1000, "head": 2000, "get": 500, "sts": 9}) == pytest.approx(0.005 + 0.0008 + 0.0002)


@pytest.mark.parametrize(
    ("state", "code"),
    [("complete", 0), ("partial", 3), ("failed", 1), ("cancelled", 1), ("needs_confirmation", 1), ("running", 1)],
)
def test_the_exit_code_follows_the_state(state: str, code: int) -> None:
    assert exit_code(a_run(state)) == code


def test_a_certificate_says_in_a_few_words_what_was_proved() -> None:
    proved = Certificate(spans=1001, sources=1, rows=1_000_000, missing=3, removed=3)
    (line,) = certificate_lines({**asdict(proved), "holds": True})
    assert line == (
        "certificate: 1,001 spans tile what was asked, outcomes add up, 1,000,000 rows recounted, 3 missing, 3 removed"
    )
    (line,) = certificate_lines({**asdict(Certificate(spans=1, sources=1, rows=1)), "holds": True})
    assert line.startswith("certificate: 1 span tiles what was asked, outcomes add up, 1 row recounted")
    part = certificate_lines({**asdict(replace(proved, superseded=7, uncounted=2)), "holds": True}, whole=False)
    assert "do not overlap" in part[0]
    assert [line.split()[1] for line in part[1:]] == ["2", "7"]


def test_a_certificate_that_does_not_hold_says_where() -> None:
    problem = Problem(check="live", where="s3://b/, behind a to b", expected=2, found=1)
    lines = certificate_lines({**asdict(Certificate(wrong=7, problems=(problem,))), "holds": False})
    assert lines == [
        "certificate: does not hold",
        "live at s3://b/, behind a to b: expected 2, found 1",
        "and 6 more",
    ]
    run = a_run("failed", certificate={**asdict(Certificate(wrong=7, problems=(problem,))), "holds": False})
    assert run_lines(run_summary(run, totals()))[-3:] == lines


def test_a_run_that_has_not_begun_has_taken_no_time() -> None:
    assert run_summary(a_run("queued", started_at=None, finished_at=None), Totals())["seconds"] == 0.0


def test_a_run_for_people_says_what_became_of_the_objects_and_why_it_ended() -> None:
    lines = run_lines(run_summary(a_run("partial", error_code="FailedObjects", error="5 objects"), totals()))
    assert "28 listed, 7 added, 6 changed, 2 unchanged, 8 removed" in lines[0]
    assert "1,000 LIST, 2,000 HEAD, 500 GET, 9 STS" in lines[1]
    assert lines[2] == "FailedObjects: 5 objects"


@pytest.mark.parametrize(
    ("value", "text"), [(True, "yes"), (False, "no"), (None, "-"), ([], "-"), (["a", "b\x1b"], "a, b\\x1b"), (0, "0")]
)
def test_a_value_for_people_has_no_word_of_pythons(value: object, text: str) -> None:
    assert told(value) == text


def test_a_producers_job_id_is_shown_and_moves_no_terminal() -> None:
    run = a_run(job_id="acme\x1b[2J")
    assert run_summary(run, totals())["job_id"] == "acme\x1b[2J"
    assert "job ID acme\\x1b[2J" in run_lines(run_summary(run, totals()))


def test_the_reason_of_a_run_fits_into_a_column() -> None:
    assert reason(a_run()) == "-"
    assert reason(a_run("cancelled", error_code="Cancelled", error=None)) == "Cancelled"
    long = reason(a_run("failed", error_code="AccessDenied", error="STS\nwas asked " + "x" * 100))
    assert long.startswith("AccessDenied: STS\\nwas asked x")
    assert (len(long), long[-1]) == (60, "…")


@pytest.mark.parametrize(
    ("uri", "outcomes", "hint"),
    [
        ("s3://bucket/*.jpg", {}, "nothing lies below s3://bucket/*.jpg: a prefix is a string and no glob"),
        ("s3://bucket/2O26/", {}, "nothing lies below s3://bucket/2O26/; a prefix is a string"),
        ("s3://bucket", {"filtered": 7}, "all 7 objects were filtered out: a glob without /"),
        ("s3://bucket", {"filtered": 1}, "the one object was filtered out: a glob without /"),
        ("s3://bucket", {"filtered": 7, "unchanged": 1}, None),
    ],
)
def test_a_run_that_found_nothing_says_what_may_have_been_meant(
    uri: str, outcomes: dict[str, int], hint: str | None
) -> None:
    counted = Totals(listed=sum(outcomes.values()), outcomes={**Totals().outcomes, **outcomes})
    found = hints(IngestJob(uris=[uri]), run_summary(a_run(), counted))
    assert [hint in one for one in found] == ([] if hint is None else [True])  # type: ignore[operator]  # it is one
    assert hints(IngestJob(uris=[uri]), run_summary(a_run("failed"), counted)) == []


@given(st.binary(max_size=40))
def test_no_key_moves_a_terminal(key: bytes) -> None:
    """Whatever bytes a key has, it is shown printable, on one line."""
    assert shown_key(key).isprintable()


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_two_keys_never_look_the_same(one: bytes, other: bytes) -> None:
    assert (shown_key(one) == shown_key(other)) == (one == other)


def test_readable_keys_are_shown_as_they_are() -> None:
    assert shown_key("scans//été/🛳 1.txt".encode()) == "scans//été/🛳 1.txt"
    assert shown_key(b"a\x1b[2J\n\xff") == "a\\x1b[2J\\n\\xff"
    assert shown("back\\slash") == "back\\\\slash"


ROW = {
    "connection_id": "c1",
    "bucket": "bucket",
    "version_id": "",
    "size": 3,
    "state": "present",
    "metadata": '{"k": "v"}',
    "media": None,
    "first_seen_at": 0,
    "changed_at": 1_500,
}


@given(st.binary(max_size=40))
def test_an_asset_for_programs_gives_its_key_back(key: bytes) -> None:
    """Its text is the key, or the key stands beside it in hex; the line is one line of ASCII."""
    line = as_json(asset_record({**ROW, "key": key}, workspace="main", connection="acme"))
    assert line.isascii()
    assert "\n" not in line
    record = json.loads(line)
    back = bytes.fromhex(record["key_hex"]) if record["key_hex"] is not None else record["key"].encode()
    assert back == key
    assert record["id"] == asset_id(workspace="main", connection="acme", bucket="bucket", key=key)


def test_an_asset_for_programs_has_times_and_documents_it_can_read() -> None:
    record = asset_record({**ROW, "key": b"k"}, workspace="main", connection="acme")
    assert record["metadata"] == {"k": "v"}
    assert record["media"] is None
    assert record["first_seen_at"] == "1970-01-01T00:00:00.000Z"
    assert record["changed_at"] == "1970-01-01T00:00:01.500Z"
    assert "connection_id" not in record
    assert iso(None) is None


def test_json_has_no_number_that_is_none() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json(float("inf"))
    row = {"key": b"k", "version_id": "", "bucket": "acme", "media": '{"a": NaN, "b": [Infinity]}'}
    assert asset_record(row, workspace="w", connection="c")["media"] == {"a": None, "b": [None]}


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table(("a", "name"), [("long", "x")]) == ["a     name", "long  x"]


def test_progress_counts_objects_and_requests() -> None:
    tally = Tally()
    tally(SpanCommitted(connection="c", outcomes={"added": 900, "unchanged": 100, "failed": 2}, rows=902, seconds=0.1))
    for _ in range(3):
        tally(RequestMade(bucket="b", request="list", outcome="ok", seconds=0.1, bytes_read=9))
    tally(object())
    line = progress_line(tally.counts(), seconds=2.0)
    assert line == "1,002 listed · 900 added · 0 changed · 2 failed · 3 requests · 501 objects/s"
    assert progress_line({}, seconds=0.0) == "0 listed · 0 added · 0 changed · 0 requests · 0 objects/s"


def test_the_actions_of_an_audit_are_those_that_are_written() -> None:
    rooms = [path for room in ("credentials", "worker") for path in (ROOT / room).rglob("*.py")]
    found = re.findall(r'(?:action=|\.note\()"([^"]+)"', "".join(path.read_text() for path in rooms))
    assert {"removed", "tested", "presigned", "resealed"} <= set(found) <= set(ACTIONS)
