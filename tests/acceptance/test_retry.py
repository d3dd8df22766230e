"""Runs that are tried again, on the command line."""

from __future__ import annotations

import pytest

from tests.acceptance.shell import Customer, Shell


def test_a_retry_reads_what_could_not_be_read_and_little_else(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {})
    customer.tell("put_many", bucket="acme", prefix="k/", count=3000)
    customer.tell("fault", kind="error", op="head", key="k/000001500", times=0, status=403, code="AccessDenied")
    first = shell.longshore("ingest", "s3://acme", "--json").json
    assert (first["state"], first["failed"]) == ("partial", 1)
    assert f"`longshore runs retry {first['run']}`" in first["error"]
    customer.tell("clear")
    customer.tell("forget")
    done = shell.ok("runs", "retry", first["run"], "--json")
    assert (done.json["state"], done.json["parent"], done.json["listed"]) == ("complete", first["run"], 2)
    assert [one["op"] for one in customer.seen()] == ["list", "head"]
    assert f"tries run {first['run']} again" in shell.ok("runs", "show").out
    assert f"retry of {first['run']}" in shell.ok("runs").out
    nothing = shell.longshore("runs", "retry", first["run"])
    assert (nothing.code, nothing.out) == (1, "")
    assert "error: no object of run" in nothing.err
    assert len(shell.ok("runs", "--json").lines) == 2
    complete = shell.longshore("runs", "retry", done.json["run"])
    assert (complete.code, "--all" in complete.err) == (1, True)
    whole = shell.ok("runs", "retry", done.json["run"], "--all", "--json").json
    assert (whole["parent"], whole["listed"], whole["unchanged"]) == (done.json["run"], 3000, 3000)


def test_a_run_that_failed_is_tried_again_as_a_whole_under_its_producers_name(customer: Customer, shell: Shell) -> None:
    shell.environment["LONGSHORE_REDIS_URL"] = "redis://127.0.0.1:1/0"
    submitted = shell.ok("submit", "s3://acme").out.strip()
    refused = shell.longshore("runs", "retry", submitted)
    assert (refused.code, "still goes on" in refused.err) == (1, True)
    shell.ok("runs", "cancel", submitted)
    again = shell.ok("runs", "retry", submitted)
    assert "Redis did not hear the ring" in again.err
    run = shell.ok("runs", "show", again.out.strip(), "--json").json
    assert (run["state"], run["parent"]) == ("queued", submitted)


@pytest.mark.parametrize("given", [("--connection", "acme"), ("--connection", "default")])
def test_a_connection_that_is_gone_is_named(customer: Customer, shell: Shell, given: tuple[str, ...]) -> None:
    customer.bucket("acme", {"a": "1"})
    customer.role("ext-1")
    shell.add_role()
    failed = shell.longshore("ingest", "s3://acme", *given, "--json").json["run"]
    shell.ok("connections", "remove", "acme", stdin="acme\n")
    done = shell.longshore("runs", "retry", failed, "--all")
    assert (done.code, "acme" in done.err and "connection" in done.err) == (
        (1, True) if given[1] == "acme" else (0, False)
    )
