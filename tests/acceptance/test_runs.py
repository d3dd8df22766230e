"""Runs as users see them on the command line: what they cost, how they end, how they go on."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest

from config.errors import JobError
from config.settings import Settings
from ingest.job import IngestJob
from tests.acceptance.shell import Customer, Shell
from worker.service import open_service

FIELDS = {
    "run",
    "job_id",
    "parent",
    "schedule",
    "state",
    "connection",
    "asked",
    "listed",
    "added",
    "changed",
    "unchanged",
    "removed",
    "filtered",
    "vanished",
    "archived",
    "failed",
    "bytes",
    "requests",
    "seconds",
    "cost_usd",
    "error_code",
    "error",
    "certificate",
    "uris",
    "depth",
    "submitted_at",
    "started_at",
    "finished_at",
}


def _ingest(shell: Shell, *arguments: str) -> tuple[int, dict[str, object]]:
    done = shell.longshore("ingest", *arguments, "--json")
    return done.code, done.json


def _requests(run: dict[str, object]) -> dict[str, int]:
    found = run["requests"]
    assert isinstance(found, dict)
    return found


@pytest.mark.acceptance("CR-01", "LS-04")
@pytest.mark.parametrize("depth", ["list", "head"])
def test_a_second_run_of_an_unchanged_bucket_costs_its_list_pages_and_nothing_else(
    customer: Customer, shell: Shell, depth: str
) -> None:
    customer.bucket("acme", {})
    customer.tell("put_many", bucket="acme", prefix="k/", count=1500)
    assert _ingest(shell, "s3://acme", "--depth", depth)[1]["added"] == 1500
    before = shell.ok("assets", "--json").lines
    customer.tell("forget")
    code, second = _ingest(shell, "s3://acme", "--depth", depth)
    assert (code, second["unchanged"], second["added"]) == (0, 1500, 0)
    requests = _requests(second)
    assert 2 <= requests.pop("list") <= 4  # two pages, and what it took to list them side by side
    assert requests == {"head": 0, "get": 0, "tags": 0, "copy": 0, "sts": 0}
    assert {one["op"] for one in customer.seen()} == {"list"}
    assert shell.ok("assets", "--json").lines == before


@pytest.mark.acceptance("CR-01")
def test_a_second_run_asks_only_for_what_changed(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {f"k{number}": "body" for number in range(30)})
    _ingest(shell, "s3://acme")
    customer.tell("put", bucket="acme", key="k7", body="another body")
    customer.tell("put", bucket="acme", key="new", body="new")
    customer.tell("delete", bucket="acme", key="k9")
    customer.tell("forget")
    _, second = _ingest(shell, "s3://acme")
    counts = [second[name] for name in ("changed", "added", "removed", "unchanged", "listed")]
    assert counts == [1, 1, 1, 28, 30]
    assert sorted(one["key"] for one in customer.seen("head")) == ["k7", "new"]


def test_json_has_exactly_the_agreed_fields_and_runs_show_prints_the_same(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"a": "1", "b": "2"})
    done = shell.ok("ingest", "s3://acme", "--exclude", "b", "--json")
    assert done.err == ""
    assert done.json.keys() == FIELDS
    assert done.json["asked"] == {"exclude": ["b"]}
    assert _requests(done.json) == {"list": 1, "head": 1, "get": 0, "tags": 0, "copy": 0, "sts": 0}
    assert (done.json["listed"], done.json["added"], done.json["filtered"]) == (2, 1, 1)
    assert done.json["cost_usd"] == pytest.approx(0.000005 + 0.0000004, abs=1e-6)
    assert shell.ok("runs", "show", done.json["run"], "--json").json == done.json
    assert shell.ok("runs", "watch", done.json["run"], "--json").json == done.json
    assert shell.ok("runs", "--json").lines == [done.json]
    assert done.json["run"] in shell.ok("runs").out
    shown = shell.ok("runs", "show").out
    assert "2 listed, 1 added" in shown
    assert f"submitted {done.json['submitted_at']}, begun {done.json['started_at']}, ended" in shown


def test_a_prefix_with_a_wildcard_finds_nothing_and_says_why(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"a.jpg": "1"})
    assert "no glob" in shell.ok("ingest", "s3://acme/*.jpg").err
    filtered = shell.ok("ingest", "s3://acme", "--include", "b/*.jpg", "--json")
    assert "hint: the one object was filtered out" in filtered.err
    assert shell.ok("ingest", "s3://acme").err == ""
    assert "default " in shell.ok("assets").out


def test_submit_prints_a_run_for_people_and_for_programs(shell: Shell) -> None:
    shell.environment["LONGSHORE_REDIS_URL"] = "redis://127.0.0.1:1/0"
    done = shell.ok("submit", "s3://acme", "--json")
    assert done.json == {"run": shell.ok("runs", "show", "--json").json["run"]}
    assert shell.ok("submit", "s3://acme").out.strip() == shell.ok("runs", "show", "--json").json["run"]


@pytest.mark.acceptance("CG-17")
def test_a_revoked_role_ends_the_run_with_a_named_error(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"a": "1"})
    role = customer.role("ext-1")
    shell.add_role()
    assert _ingest(shell, "s3://acme", "--connection", "acme")[0] == 0
    customer.tell("deny", arn=role)
    customer.tell("forget")
    done = shell.longshore("ingest", "s3://acme", "--connection", "acme", "--json")
    assert done.code == 1
    assert done.json["state"] == "failed"
    assert done.json["error_code"] == "AccessDenied"
    assert "trust policy" in done.json["error"]
    assert "error: " in done.err
    assert len(customer.assumed()) == 1
    assert customer.seen("list") == []


@pytest.mark.acceptance("CG-17")
def test_a_revoked_policy_ends_the_run_instead_of_asking_for_every_object(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {})
    customer.tell("put_many", bucket="acme", prefix="k/", count=2000)
    customer.role("ext-1", reads=False)
    shell.add_role()
    shell.environment["LONGSHORE_LIMITS__DENIED_WINDOW"] = "50"
    code, run = _ingest(shell, "s3://acme", "--connection", "acme")
    assert (code, run["state"], run["error_code"]) == (1, "failed", "AccessLost")
    assert 50 <= len(customer.seen("head")) < 2000


def test_an_object_that_can_not_be_read_is_a_record_and_exit_code_3(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {f"k{number}": "body" for number in range(5)})
    customer.tell("fault", kind="error", op="head", key="k3", times=0, status=403, code="AccessDenied")
    done = shell.longshore("ingest", "s3://acme", "--json")
    assert (done.code, done.json["state"], done.json["failed"], done.json["added"]) == (3, "partial", 1, 4)
    (failed,) = shell.ok("assets", "--state", "failed", "--json").lines
    assert (failed["key"], failed["state"]) == ("k3", "failed")
    assert failed["error_code"]
    customer.tell("clear")
    assert _ingest(shell, "s3://acme")[1]["state"] == "complete"
    assert shell.ok("assets", "--state", "failed").out == ""


def test_a_mass_disappearance_asks_before_anything_is_removed(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {f"k{number}": "body" for number in range(5)})
    _ingest(shell, "s3://acme")
    customer.bucket("acme", {})
    done = shell.longshore("ingest", "s3://acme", "--json")
    assert (done.code, done.json["state"], done.json["removed"]) == (1, "needs_confirmation", 0)
    assert "error: the listing is empty" in done.err
    shell.ok("runs", "confirm", done.json["run"])
    assert shell.ok("runs", "show", "--json").json["removed"] == 5
    assert len(shell.ok("assets", "--state", "removed", "--json").lines) == 5
    again = shell.longshore("runs", "confirm", done.json["run"])
    assert again.code == 1
    assert "nothing to confirm" in again.err
    verified = shell.ok("runs", "verify", done.json["run"])
    assert "holds" in verified.out
    assert "5 missing" in verified.out


@pytest.mark.acceptance("LS-05")
def test_removals_that_are_rejected_leave_everything_as_it_was(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {f"k{number}": "body" for number in range(5)})
    _ingest(shell, "s3://acme")
    before = shell.ok("assets", "--json").lines
    customer.bucket("acme", {})
    run = shell.longshore("ingest", "s3://acme", "--json").json["run"]
    rejected = shell.ok("runs", "reject", run)
    assert f"run {run} is complete: 5 that were missing are kept" in rejected.out
    assert "RemovalsRejected" in rejected.err
    after = shell.ok("assets", "--json").lines
    changed = ("run_id", "changed_at")
    assert [{**one, **dict.fromkeys(changed)} for one in after] == [{**one, **dict.fromkeys(changed)} for one in before]
    shell.ok("runs", "verify", run)
    cancelled = shell.longshore("runs", "cancel", run)
    assert (cancelled.code, cancelled.out) == (1, "")
    assert f"error: run {run} is complete already; there is nothing to cancel" in cancelled.err
    assert "nothing to reject" in shell.longshore("runs", "reject", run).err


@pytest.mark.acceptance("LS-06")
def test_a_run_proves_that_it_is_whole_and_can_be_verified_later(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {f"k{number}": "body" for number in range(5)})
    run = _ingest(shell, "s3://acme")[1]
    shown = shell.ok("runs", "show", "--json").json
    assert shown["certificate"] == run["certificate"]
    assert (shown["certificate"]["holds"], shown["certificate"]["rows"]) == (True, 5)
    assert "1 span tiles what was asked, outcomes add up, 5 rows recounted" in shell.ok("runs", "show").out
    with closing(sqlite3.connect(shell.catalog)) as catalog, catalog:
        catalog.execute("DELETE FROM assets WHERE key = x'6b33'")
    found = shell.longshore("runs", "verify", str(run["run"]))
    assert found.code == 1
    assert "does not hold" in found.out
    assert "live at s3://acme/" in found.out
    assert shell.longshore("runs", "verify", str(run["run"]), "--json").json["holds"] is False
    assert _ingest(shell, "s3://acme")[1]["added"] == 1
    superseded = shell.longshore("runs", "verify", str(run["run"]))
    assert (superseded.code, superseded.out.startswith("nothing is left to verify: ")) == (1, True)


def test_a_run_that_a_later_one_superseded_has_nothing_to_confirm(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {f"k{number}": "body" for number in range(5)})
    _ingest(shell, "s3://acme")
    customer.bucket("acme", {})
    first, second = (_ingest(shell, "s3://acme")[1] for _ in range(2))
    assert f"`longshore runs confirm {first['run']}`" in str(first["error"])
    done = shell.longshore("runs", "confirm", str(first["run"]))
    assert (done.code, done.out) == (1, "")
    assert f"run {second['run']}, which is newer" in done.err
    shell.ok("runs", "confirm", str(second["run"]))
    assert len(shell.ok("assets", "--state", "removed", "--json").lines) == 5


def test_a_producer_finds_its_run_by_its_own_job_id(customer: Customer, shell: Shell) -> None:
    async def produce() -> None:
        settings = Settings.model_validate({"catalog_url": f"sqlite:///{shell.catalog}"})
        async with open_service(settings, observe=lambda _: None) as service:
            await service.submit(IngestJob(uris=["s3://acme"]), origin="queue", job_id="mine-1")
            await service.refuse(JobError("uris: is needed", code="BadJob"), origin="queue", job_id="mine-2")

    asyncio.run(produce())
    listed = shell.ok("runs").out
    assert "mine-1" in listed
    assert "BadJob: uris: is needed" in next(line for line in listed.splitlines() if "mine-2" in line)
    assert [one["job_id"] for one in shell.ok("runs", "--json").lines] == ["mine-2", "mine-1"]
    assert "job ID mine-1" in shell.ok("runs", "show", "mine-1").out
    assert shell.longshore("runs", "watch", "mine-2", "--json").json["error_code"] == "BadJob"
    assert "is queued; there is nothing to confirm" in shell.longshore("runs", "confirm", "mine-1").err
    shell.ok("runs", "cancel", "mine-1")
    assert shell.ok("runs", "show", "mine-1", "--json").json["state"] == "cancelled"


def test_a_job_outside_its_connection_is_refused_before_any_request(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"a": "1"})
    shell.add_role()
    done = shell.longshore("ingest", "s3://other/x", "--connection", "acme")
    assert done.code == 1
    assert "does not permit s3://other/x" in done.err
    assert customer.seen() == []
    assert customer.tell("calls") == []
    assert "no runs yet" in shell.ok("runs").out


def test_a_missing_bucket_ends_the_run_with_its_name(customer: Customer, shell: Shell) -> None:
    code, run = _ingest(shell, "s3://nobody-has-this-bucket")
    assert (code, run["state"], run["error_code"]) == (1, "failed", "NoSuchBucket")
    assert "nobody-has-this-bucket" in str(run["error"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_ingest_cleanly_and_the_next_one_goes_on(
    customer: Customer, shell: Shell, number: signal.Signals
) -> None:
    """One object hangs; what was committed before it is not asked for again."""
    customer.bucket("acme", {})
    customer.tell("put_many", bucket="acme", prefix="k/", count=200)
    shell.environment |= {
        "LONGSHORE_LIMITS__DRAIN_S": "0.5",
        "LONGSHORE_LIMITS__PAGE_KEYS": "100",
        "LONGSHORE_LIMITS__SPAN_PROBES": "25",
    }
    customer.tell("fault", kind="hang", op="head", key="k/000000160")
    with shell.process("ingest", "s3://acme", "--json") as process:
        _until_committed(shell, 150)
        process.send_signal(number)
        done = shell.wait(process)
    assert done.code == 1
    assert "goes on with the next `longshore ingest`" in done.err
    assert (done.json["state"], done.json["listed"]) == ("running", 150)
    customer.tell("clear")
    customer.tell("forget")
    second = shell.ok("ingest", "s3://acme", "--json")
    assert done.json["run"] in second.err
    assert (second.json["state"], second.json["unchanged"]) == ("complete", 200)
    first = shell.ok("runs", "show", done.json["run"], "--json").json
    assert (first["state"], first["listed"], first["added"]) == ("complete", 200, 200)
    assert len(customer.seen("head")) == 50


def _until_committed(shell: Shell, wanted: int) -> None:
    found: list[Any] = []
    for _ in range(100):
        found = shell.ok("runs", "--json").lines
        if found and found[0]["listed"] >= wanted:
            return
        time.sleep(0.1)
    raise AssertionError(f"the run did not commit {wanted} objects: {found}")


def test_submit_writes_the_run_even_without_a_redis(customer: Customer, shell: Shell) -> None:
    shell.environment["LONGSHORE_REDIS_URL"] = "redis://127.0.0.1:1/0"
    done = shell.ok("submit", "s3://acme/2026/", "--include", "*.jpg")
    assert "warning: " in done.err
    run = shell.ok("runs", "show", done.out.strip(), "--json").json
    assert (run["state"], run["connection"]) == ("queued", "default")
    cancelled = shell.ok("runs", "cancel", run["run"])
    assert "is cancelled" in cancelled.out
    assert "is cancelled" in shell.ok("runs", "cancel", run["run"]).out
    assert shell.longshore("runs", "watch", run["run"]).code == 1


def test_assets_can_be_narrowed_and_odd_keys_are_shown_escaped(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"a/\x1b[2Jx": "1", "a/b": "22", "b": "333"})
    shell.ok("ingest", "s3://acme", "--depth", "list")
    shown = shell.ok("assets", "--prefix", "s3://acme/a/").out
    assert "s3://acme/a/\\x1b[2Jx" in shown
    assert len(shown.splitlines()) == 2
    assert len(shell.ok("assets", "--limit", "1").out.splitlines()) == 1
    assert [record["key"] for record in shell.ok("assets", "--json").lines] == ["a/\x1b[2Jx", "a/b", "b"]
