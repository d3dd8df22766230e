"""`longshore connections test` as an admin sees it."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.shell import ROLE, Customer, Shell

OBJECTS = {"a/1.txt": "one", "a/2.txt": "two"}


@pytest.mark.acceptance("LS-08", "CO-03", "CO-04")
def test_a_right_connection_is_told_line_by_line(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", OBJECTS)
    customer.role("ext-1")
    shell.add_role()
    done = shell.ok("connections", "test", "acme", "--wait", "0")
    lines = done.out.splitlines()
    assert lines[-1] == "connection acme can be used"
    assert [line.split()[0] for line in lines[:-1] if not line.startswith(" ")] == ["ok"] * 9 + ["-", "ok"]
    assert not done.err
    assert shell.ok("connections", "test", "acme", "--json").json["verdict"] == "passed"


@pytest.mark.acceptance("LS-08", "LS-09")
def test_what_is_printed_is_pasted_and_mends_it(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", OBJECTS)
    customer.role("ext-1", reads=False)
    shell.add_role()
    done = shell.longshore("connections", "test", "acme", "--wait", "0")
    assert done.code == 1
    assert "FAILED   get s3://acme/a/1.txt" in done.out
    assert "s3:HeadObject" in done.out
    assert f"the permissions of {ROLE}" in " ".join(done.out.split())
    assert all(len(line) <= 100 for line in done.out.splitlines())
    printed = done.out[done.out.index("{") :]
    statement, _ = json.JSONDecoder().raw_decode(printed)
    listing = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::acme"}
    policy = {"Version": "2012-10-17", "Statement": [listing, statement]}
    customer.tell("change_role", arn=ROLE, policy=policy)
    assert shell.ok("connections", "test", "acme", "--wait", "0").code == 0
    shown = shell.ok("connections", "show", "acme", "--json").json
    assert shown["tested"]["verdict"] == "passed"


@pytest.mark.acceptance("CG-15")
def test_a_role_that_anybody_may_assume_is_told(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", OBJECTS)
    customer.role(None)
    shell.add_role()
    done = shell.longshore("connections", "test", "acme", "--wait", "0", "--json")
    assert done.code == 1
    failed = [step for step in done.json["steps"] if step["outcome"] == "failed"]
    assert [step["name"] for step in failed] == ["without external ID", "with a wrong external ID"]
    assert failed[0]["repair"]["Statement"][0]["Condition"] == {"StringEquals": {"sts:ExternalId": "ext-1"}}
    assert failed[0]["where"] == f"the trust policy of {ROLE}"


def test_waiting_is_said_and_shortened_on_demand(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", OBJECTS)
    customer.role("ext-1", reads=False)
    shell.add_role()
    done = shell.longshore("connections", "test", "acme", "--wait", "0.2")
    assert done.code == 1
    assert "trying again" in done.err
    assert "trying again" not in done.out


def test_a_connection_that_is_not_there_and_a_place_that_it_lacks(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", OBJECTS)
    customer.role("ext-1")
    shell.add_role()
    unknown = shell.longshore("connections", "test", "acmee")
    assert (unknown.code, "there are: default, acme" in unknown.err) == (1, True)
    lacking = shell.longshore("connections", "test", "acme", "--uri", "s3://other")
    assert (lacking.code, "does not permit s3://other/" in lacking.err) == (1, True)
    mistyped = shell.longshore("connections", "test", "acme", "--uri", "arn:aws:s3:::acme")
    assert (mistyped.code, "s3://acme" in mistyped.err) == (1, True)


@pytest.mark.parametrize("wait", ["nan", "inf", "-inf", "-1"])
def test_no_number_of_seconds_is_no_time_to_wait(wait: str, shell: Shell) -> None:
    done = shell.longshore("connections", "test", "default", f"--wait={wait}")
    assert (done.code, "--wait" in done.err) == (2, True)
