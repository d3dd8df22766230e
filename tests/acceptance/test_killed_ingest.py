"""`longshore ingest` killed with SIGKILL: the next one of the workspace finishes what it left, and nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from typing import Any

import pytest

from tests.acceptance.shell import Customer, Shell

COUNT = 200


@pytest.fixture(autouse=True)
def _quick(shell: Shell) -> None:
    shell.environment |= {
        "LONGSHORE_LIMITS__LEASE_S": "2",
        "LONGSHORE_LIMITS__HEARTBEAT_S": "0.4",
        "LONGSHORE_LIMITS__PAGE_KEYS": "50",
        "LONGSHORE_LIMITS__SPAN_PROBES": "25",
    }


def _killed(customer: Customer, shell: Shell) -> str:
    """An ingest of s3://acme that hangs at one object, and is killed there. Returns its run."""
    customer.bucket("acme", {})
    customer.bucket("other", {"x": "1"})
    customer.tell("put_many", bucket="acme", prefix="k/", count=COUNT)
    customer.tell("fault", kind="hang", op="head", key="k/000000160")
    with shell.process("ingest", "s3://acme", "--json") as process:
        run = _until(shell, lambda found: bool(found) and found[0]["listed"] >= 100)[0]
        process.kill()
        process.wait()
    assert run["state"] == "running"
    customer.tell("clear")
    return str(run["run"])


def _until(shell: Shell, true: Any) -> list[Any]:
    found: list[Any] = []
    for _ in range(150):
        if true(found := shell.ok("runs", "--json").lines):
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def _assert_exact(shell: Shell, run_id: str) -> None:
    run = shell.ok("runs", "show", run_id, "--json").json
    assert (run["state"], run["listed"], run["added"]) == ("complete", COUNT, COUNT)
    keys = [record["key"] for record in shell.ok("assets", "--prefix", "s3://acme", "--json").lines]
    assert keys == [f"k/{number:09d}" for number in range(COUNT)]


@pytest.mark.acceptance("LS-02", "LS-03")
def test_the_next_ingest_of_the_same_place_finishes_it_first(customer: Customer, shell: Shell) -> None:
    killed = _killed(customer, shell)
    second = shell.ok("ingest", "s3://acme", "--json")
    assert (second.json["state"], second.json["unchanged"]) == ("complete", COUNT)
    assert killed in second.err
    _assert_exact(shell, killed)


def test_the_next_ingest_of_another_place_finishes_it_once_its_lease_has_lapsed(
    customer: Customer, shell: Shell
) -> None:
    killed = _killed(customer, shell)
    second = shell.ok("ingest", "s3://other", "--json")
    assert (second.json["state"], second.json["added"]) == ("complete", 1)
    assert f"run {killed}, which an earlier `longshore ingest` left, goes on" in second.err
    _assert_exact(shell, killed)


def test_a_run_that_waited_for_the_killed_one_is_finished_too(customer: Customer, shell: Shell) -> None:
    """Its own command was killed while it waited."""
    customer.bucket("acme", {})
    customer.tell("put_many", bucket="acme", prefix="k/", count=COUNT)
    customer.tell("fault", kind="hang", op="head", key="k/000000160")
    customer.bucket("other", {"x": "1"})
    with shell.process("ingest", "s3://acme") as holder, shell.process("ingest", "s3://acme/k/") as waits:
        found = _until(shell, lambda found: len(found) == 2 and any(one["listed"] >= 100 for one in found))
        waits.kill()
        holder.kill()
        waits.wait()
        holder.wait()
    customer.tell("clear")
    shell.ok("ingest", "s3://other")
    first, second = sorted(found, key=lambda one: -int(one["listed"]))
    _assert_exact(shell, first["run"])
    waited = shell.ok("runs", "show", second["run"], "--json").json
    assert (waited["state"], waited["unchanged"]) == ("complete", COUNT)


def test_a_run_of_which_all_is_listed_is_ended(customer: Customer, shell: Shell) -> None:
    """As if it had been killed between its last commit and its end."""
    customer.bucket("acme", {})
    customer.bucket("other", {"x": "1"})
    customer.tell("put_many", bucket="acme", prefix="k/", count=COUNT)
    killed = shell.ok("ingest", "s3://acme", "--json").json["run"]
    with contextlib.closing(sqlite3.connect(shell.catalog)) as catalog, catalog:
        catalog.execute("UPDATE runs SET state = 'running', finished_at = NULL")
        catalog.execute(
            "UPDATE shards SET state = 'leased', owner = 'killed', lease_until = 1, seq = 0 WHERE kind = 'close'"
        )
    shell.ok("ingest", "s3://other")
    _assert_exact(shell, killed)


def test_another_ingest_that_lives_is_left_alone(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {})
    customer.bucket("other", {"x": "1"})
    customer.tell("put_many", bucket="acme", prefix="k/", count=COUNT)
    customer.tell("fault", kind="hang", op="head", key="k/000000160")
    with shell.process("ingest", "s3://acme", "--json") as living:
        _until(shell, lambda found: bool(found) and found[0]["listed"] >= 100)
        began = time.monotonic()
        other = shell.ok("ingest", "s3://other")
        assert time.monotonic() - began < 2
        assert "goes on" not in other.err
        assert living.poll() is None
