"""Connections as customers and operators use them, row by row of the acceptance table."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sqlite3
from datetime import datetime
from pathlib import Path

import boto3
import pytest

from tests.acceptance.shell import ROLE, Customer, Shell
from tests.fakes.sts import ACCOUNT, OPERATOR_KEY, OPERATOR_SECRET

OBJECTS = {"a/1.txt": "one", "a//2": "two", "./b": "three", "c+d é": "four"}
SECRET = "canary/Wq7+secret/that/no/one/may/see/01"


def _keys_in(shell: Shell, connection: str) -> set[str]:
    return {record["key"] for record in shell.ok("assets", "--connection", connection, "--json").lines}


@pytest.mark.acceptance("CO-01")
def test_a_customers_role_and_a_bucket_policy_for_ours_both_ingest_a_bucket(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", OBJECTS)
    customer.role("ext-1")
    shell.add_role()
    for connection, key_id in (("acme", "ASIA"), ("default", OPERATOR_KEY)):
        customer.tell("forget")
        done = shell.ok("ingest", "s3://acme", "--connection", connection, "--json").json
        assert (done["state"], done["added"]) == ("complete", 4)
        assert _keys_in(shell, connection) == set(OBJECTS)
        assert {one["access_key_id"][: len(key_id)] for one in customer.seen("head")} == {key_id}


@pytest.mark.acceptance("CO-05")
def test_the_built_in_connection_is_always_there_and_first(shell: Shell) -> None:
    assert [one["name"] for one in shell.ok("connections", "list", "--json").lines] == ["default"]
    shell.ok("connections", "add", "aaa", "--role-arn", ROLE, "--external-id", "ext-1", "--allow", "s3://acme")
    assert [one["name"] for one in shell.ok("connections", "list", "--json").lines] == ["default", "aaa"]
    assert shell.ok("connections", "list").out.splitlines()[1].startswith("default")


@pytest.mark.acceptance("CO-06")
def test_the_built_in_connection_can_be_neither_edited_nor_deleted(shell: Shell) -> None:
    for arguments in (("update", "default", "--allow", "s3://acme"), ("remove", "default", "--yes", "default")):
        done = shell.longshore("connections", *arguments)
        assert done.code == 1
        assert "built-in" in done.err
    assert [one["name"] for one in shell.ok("connections", "list", "--json").lines] == ["default"]


@pytest.mark.acceptance("CO-07")
def test_a_job_needs_no_set_up_with_the_built_in_connection_whose_name_is_reserved(
    customer: Customer, shell: Shell
) -> None:
    customer.bucket("acme", OBJECTS)
    assert shell.ok("ingest", "s3://acme", "--json").json["connection"] == "default"
    role = ("--role-arn", ROLE, "--external-id", "ext-1", "--allow", "s3://acme")
    refused = shell.longshore("connections", "add", "default", *role)
    assert refused.code == 1
    assert "default" in refused.err
    shell.environment["LONGSHORE_DEFAULT_CONNECTION"] = "house"
    assert shell.ok("ingest", "s3://acme", "--json").json["connection"] == "house"
    assert shell.longshore("connections", "add", "house", *role).code == 1


@pytest.mark.acceptance("CO-09")
def test_whoami_shows_the_account_and_the_role(customer: Customer, shell: Shell) -> None:
    own = shell.ok("whoami", "--json").json
    assert own == {"account": ACCOUNT, "role_arn": None, "arn": f"arn:aws:iam::{ACCOUNT}:user/operator"}
    customer.tell("role", arn=f"arn:aws:iam::{ACCOUNT}:role/longshore-service")
    sts = boto3.client(
        "sts",
        endpoint_url=customer.url,
        region_name="us-east-1",
        aws_access_key_id=OPERATOR_KEY,
        aws_secret_access_key=OPERATOR_SECRET,
    )
    session = sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/longshore-service", RoleSessionName="worker-1")
    shell.environment |= {
        "AWS_ACCESS_KEY_ID": session["Credentials"]["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["Credentials"]["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["Credentials"]["SessionToken"],
    }
    assert shell.ok("whoami", "--json").json["role_arn"] == f"arn:aws:iam::{ACCOUNT}:role/longshore-service"
    assert f"arn:aws:iam::{ACCOUNT}:role/longshore-service" in shell.ok("whoami").out
    assert not shell.catalog.exists()


def test_whoami_without_an_identity_says_what_is_missing(shell: Shell) -> None:
    del shell.environment["AWS_ACCESS_KEY_ID"], shell.environment["AWS_SECRET_ACCESS_KEY"]
    done = shell.longshore("whoami")
    assert done.code == 1
    assert "credentials" in done.err


@pytest.mark.acceptance("CO-14")
def test_an_external_id_is_not_compulsory_but_its_absence_is_warned_of(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", OBJECTS)
    customer.role(external_id=None)
    added = shell.add_role(external_id=None)
    assert "no external ID" in added.err
    assert shell.ok("ingest", "s3://acme", "--connection", "acme", "--json").json["added"] == 4
    assert "no external ID" in shell.ok("connections", "show", "acme").err


@pytest.mark.acceptance("CO-17")
def test_a_connections_name_is_unique(shell: Shell) -> None:
    shell.add_role()
    again = shell.longshore("connections", "add", "acme", "--role-arn", ROLE, "--allow", "s3://other")
    assert again.code == 1
    assert "acme" in again.err
    assert shell.ok("connections", "show", "acme", "--json").json["allow"] == ["s3://acme"]


@pytest.mark.acceptance("CO-18")
@pytest.mark.parametrize(
    ("arn", "reason"),
    [
        ("longshore-reader", "six parts"),
        ("arn:aws:iam::44445555666:role/reader", "12 digits"),
        ("arn:aws:iam::444455556666:user/reader", "a user"),
        ("arn:aws:s3:::acme", "iam"),
        ("arn:aws:sts::444455556666:assumed-role/reader/x", "a session of a role"),
        ("arn:aws:iam::444455556666:role/", "1 to 64"),
    ],
)
def test_a_bad_role_arn_is_refused_with_the_reason(shell: Shell, arn: str, reason: str) -> None:
    done = shell.longshore("connections", "add", "acme", "--role-arn", arn, "--allow", "s3://acme")
    assert done.code == 1
    assert "--role-arn: " in done.err
    assert reason in done.err


@pytest.mark.acceptance("CO-18")
def test_a_role_connection_needs_a_role(shell: Shell) -> None:
    assert shell.longshore("connections", "add", "acme", "--external-id", "ext-1", "--allow", "s3://acme").code == 2


@pytest.mark.acceptance("CO-21")
def test_a_session_ttl_is_60_to_3600_seconds_and_60_is_honoured(customer: Customer, shell: Shell) -> None:
    """STS issues nothing below 900 s, so 900 is asked for and the session policy ends it after 60."""
    for ttl in ("59", "3601"):
        role = ("--role-arn", ROLE, "--allow", "s3://acme", "--session-ttl", ttl)
        refused = shell.longshore("connections", "add", "acme", *role)
        assert refused.code == 1
        assert "60 to 3600" in refused.err
    customer.bucket("acme", OBJECTS)
    customer.role("ext-1")
    shell.add_role("--session-ttl", "60")
    assert shell.ok("ingest", "s3://acme", "--connection", "acme", "--json").json["state"] == "complete"
    (call,) = customer.assumed()
    assert call["parameters"]["DurationSeconds"] == "900"
    assert "aws:CurrentTime" in call["parameters"]["Policy"]


@pytest.mark.acceptance("CG-18")
def test_after_a_connection_is_removed_its_records_stay(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", OBJECTS)
    customer.role("ext-1")
    shell.add_role()
    shell.ok("ingest", "s3://acme", "--connection", "acme")
    before = shell.ok("assets", "--connection", "acme", "--json").lines
    assert shell.longshore("connections", "remove", "acme", "--yes", "amce").code == 1
    shell.ok("connections", "remove", "acme", "--yes", "acme")
    assert shell.longshore("connections", "show", "acme").code == 1
    assert shell.longshore("ingest", "s3://acme", "--connection", "acme").code == 1
    assert shell.ok("assets", "--connection", "acme", "--json").lines == before
    assert len(before) == 4


def test_a_removed_connections_records_go_on_request_and_not_before(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", OBJECTS)
    customer.role("ext-1")
    shell.add_role()
    shell.ok("ingest", "s3://acme", "--connection", "acme")
    early = shell.longshore("purge", "--connection", "acme", "--yes")
    assert early.code == 1
    assert "connections remove acme" in early.err
    said = shell.ok("connections", "remove", "acme", "--yes", "acme").out
    assert "longshore purge --connection acme" in said
    unasked = shell.longshore("purge", "--connection", "acme")
    assert (unasked.code, "--yes" in unasked.err) == (2, True)
    counts = shell.ok("purge", "--connection", "acme", "--dry-run", "--json").json
    assert counts == {"connection": "acme", "spans": 1, "assets": 4, "runs": 1, "dry_run": True}
    assert len(shell.ok("assets", "--connection", "acme", "--json").lines) == 4
    assert shell.ok("purge", "--connection", "acme", "--yes", "--json").json == counts | {"dry_run": False}
    assert shell.ok("assets", "--connection", "acme", "--json").lines == []
    assert shell.ok("runs", "--json").lines == []
    assert "0 asset records" in shell.ok("purge", "--connection", "acme", "--yes").out
    assert "none was removed" in shell.longshore("purge", "--connection", "other").err
    assert "'default' is built in and can't be removed" in shell.longshore("purge", "--connection", "default").err
    with contextlib.closing(sqlite3.connect(shell.catalog)) as catalog:
        lines = catalog.execute(
            "SELECT action, detail FROM audit WHERE object = 'connection:acme' ORDER BY id"
        ).fetchall()
    assert [action for action, _ in lines] == ["created", "removed", "purge", "purged"]
    assert json.loads(lines[-1][1])["assets"] == 4
    shell.add_role()
    assert shell.ok("ingest", "s3://acme", "--connection", "acme", "--json").json["added"] == 4


def test_a_purge_deletes_what_was_kept_for_long_enough(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", OBJECTS)
    shell.ok("ingest", "s3://acme")
    assert shell.ok("purge", "--json").json == {"spans": 0, "assets": 0, "runs": 0, "dry_run": False}
    shell.environment["LONGSHORE_LIMITS__KEEP_RUNS_DAYS"] = "0.00000001"
    assert "would delete 0 asset records, 1 runs and 1 spans" in shell.ok("purge", "--dry-run").out
    assert "deleted 0 asset records, 1 runs and 1 spans" in shell.ok("purge").out
    assert shell.longshore("runs", "show").code == 1
    assert len(shell.ok("assets", "--json").lines) == 4
    assert shell.longshore("purge", "--yes").code == 2


@pytest.mark.acceptance("IN-06")
def test_a_connections_name_can_not_be_changed_later(shell: Shell) -> None:
    shell.add_role()
    done = shell.longshore("connections", "update", "acme", "--name", "other")
    assert done.code == 1
    assert "name" in done.err
    assert [one["name"] for one in shell.ok("connections", "list", "--json").lines] == ["default", "acme"]


def test_a_connection_can_be_changed_and_says_so(shell: Shell) -> None:
    shell.add_role()
    shell.ok("connections", "update", "acme", "--allow", "s3://acme/2026/", "--session-ttl", "900")
    shown = shell.ok("connections", "show", "acme", "--json").json
    assert (shown["allow"], shown["session_ttl_s"], shown["external_id"]) == (["s3://acme/2026/"], 900, "ext-1")
    assert "s3://acme/2026/" in shell.ok("connections", "show", "acme").out


@pytest.mark.acceptance("CR-10", "CR-11")
@pytest.mark.parametrize("way", ["stdin", "variable"])
def test_an_access_keys_secret_is_sealed_and_never_seen_again(customer: Customer, shell: Shell, way: str) -> None:
    customer.bucket("acme", OBJECTS)
    customer.tell("keys", access_key_id="AKIAFAKECUSTOMER0001", secret=SECRET)
    shell.environment["LONGSHORE_SECRET_KEYS"] = f"k1:{base64.b64encode(os.urandom(32)).decode()}"
    shell.environment["LONGSHORE_LOG_LEVEL"] = "DEBUG"
    key = ("--access-key-id", "AKIAFAKECUSTOMER0001", "--allow", "s3://acme")
    if way == "variable":
        shell.environment["LONGSHORE_SECRET_ACCESS_KEY"] = SECRET
        told = [shell.ok("connections", "add", "keys", *key)]
        del shell.environment["LONGSHORE_SECRET_ACCESS_KEY"]
    else:
        told = [shell.ok("connections", "add", "keys", *key, "--secret-stdin", stdin=f"{SECRET}\n")]
    told.append(shell.ok("ingest", "s3://acme", "--connection", "keys", "--json"))
    assert told[-1].json["added"] == 4
    for command in (("list",), ("list", "--json"), ("show", "keys"), ("show", "keys", "--json")):
        told.append(shell.ok("connections", *command))
    customer.tell("deny", arn=customer.role())
    told.append(shell.longshore("ingest", "s3://nowhere-at-all", "--connection", "keys"))
    assert "long-lived access key" in told[0].err
    for done in told:
        assert SECRET not in done.out + done.err
    for file in Path(shell.directory).iterdir():
        assert SECRET.encode() not in file.read_bytes()


def test_an_external_id_is_cleared_with_an_empty_one(shell: Shell) -> None:
    shell.add_role("--region", "eu-west-1")
    changed = shell.ok("connections", "update", "acme", "--external-id", "", "--region", "")
    assert "no external ID" in changed.err
    shown = shell.ok("connections", "show", "acme", "--json").json
    assert (shown["external_id"], shown["region"], shown["allow"]) == (None, None, ["s3://acme"])


def test_all_that_is_wrong_with_a_connection_is_told_at_once_in_the_words_that_were_typed(shell: Shell) -> None:
    shell.add_role()
    bad = ("--role-arn", "reader", "--allow", "acme", "--session-ttl", "5", "--external-id", "x")
    for name, why in (("acme", "already"), ("default", "built-in"), ("Acme", "lower-case")):
        done = shell.longshore("connections", "add", name, *bad)
        assert done.code == 1
        assert done.err.count("; NAME: ") + done.err.count(": NAME: ") == 1
        assert why in done.err
        for option in ("--role-arn: ", "--allow: ", "--session-ttl: ", "--external-id: "):
            assert option in done.err
    done = shell.longshore("connections", "update", "acme", "--session-ttl", "5")
    assert "--session-ttl: a session lives" in done.err


def test_a_secret_that_nobody_can_type_is_asked_for_by_the_ways_there_are(shell: Shell) -> None:
    shell.environment["LONGSHORE_SECRET_KEYS"] = f"k1:{base64.b64encode(os.urandom(32)).decode()}"
    done = shell.longshore(
        "connections", "add", "keys", "--access-key-id", "AKIAFAKECUSTOMER0001", "--allow", "s3://a-b"
    )
    assert done.code == 2
    assert "--secret-stdin" in done.err
    assert "LONGSHORE_SECRET_ACCESS_KEY" in done.err


def test_a_connections_times_can_be_read(shell: Shell) -> None:
    shell.add_role()
    lines = dict(line.split(maxsplit=1) for line in shell.ok("connections", "show", "acme").out.splitlines())
    assert datetime.fromisoformat(lines["created_at"]).tzinfo is not None
    built_in = dict(line.split(maxsplit=1) for line in shell.ok("connections", "show", "default").out.splitlines())
    assert built_in["created_at"] == "-"


@pytest.mark.acceptance("CR-11")
def test_without_a_key_to_seal_it_nobody_is_asked_for_a_secret(shell: Shell) -> None:
    done = shell.longshore(
        "connections", "add", "keys", "--access-key-id", "AKIAFAKECUSTOMER0001", "--allow", "s3://a-b"
    )
    assert done.code == 1
    assert "LONGSHORE_SECRET_KEYS" in done.err


@pytest.mark.acceptance("CR-11")
def test_a_secret_is_refused_where_nothing_can_seal_it(shell: Shell) -> None:
    key = ("--access-key-id", "AKIAFAKECUSTOMER0001", "--allow", "s3://acme", "--secret-stdin")
    done = shell.longshore("connections", "add", "keys", *key, stdin=f"{SECRET}\n")
    assert done.code == 1
    assert "LONGSHORE_SECRET_KEYS" in done.err
    assert SECRET not in done.err
    for file in Path(shell.directory).iterdir():
        assert SECRET.encode() not in file.read_bytes()
