"""What a connection reaches, for whom, and how it ends: on the command line, against a cloud that counts requests."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from config.database import open_database
from tests.acceptance.shell import ROLE, Customer, Shell
from tests.unit.credentials.connections import a_registry

OBJECTS: Final = {"a/1.txt": "one", "a/2.txt": "two", "b/3.txt": "three"}
AS_ROLE: Final = ("--role-arn", ROLE, "--external-id", "ext-1")


def _keys(shell: Shell, connection: str) -> set[str]:
    return {f"{one['bucket']}/{one['key']}" for one in shell.ok("assets", "--connection", connection, "--json").lines}


def _untouched(customer: Customer) -> bool:
    return not customer.seen() and not customer.tell("calls")


def _as(shell: Shell, workspace: str) -> Shell:
    """The same catalog, in another workspace."""
    return Shell(shell.directory, shell.environment | {"LONGSHORE_WORKSPACE": workspace})


@pytest.mark.acceptance("IN-03")
def test_what_lies_outside_the_mount_is_refused_before_any_request(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", OBJECTS)
    customer.role("ext-1", buckets=("acme", "other"))
    shell.ok("connections", "add", "folder", *AS_ROLE, "--allow", "s3://acme/a/")
    shell.ok("connections", "add", "root", *AS_ROLE, "--allow", "s3://acme")
    for outside in ("s3://acme", "s3://acme/b/", "s3://acme/a", "s3://acme/A/", "s3://other/a/"):
        done = shell.longshore("ingest", outside, "--connection", "folder")
        assert done.code == 1
        assert "connection 'folder' does not permit" in done.err
        assert "it permits s3://acme/a/" in done.err
    assert _untouched(customer)
    shell.ok("ingest", "s3://acme/a/", "--connection", "folder")
    assert _keys(shell, "folder") == {"acme/a/1.txt", "acme/a/2.txt"}
    assert {one["key"].split("/")[0] for one in customer.seen("head")} == {"a"}
    shell.ok("ingest", "s3://acme", "--connection", "root")
    assert _keys(shell, "root") == {f"acme/{key}" for key in OBJECTS}


@pytest.mark.acceptance("CG-19", "KO-04")
def test_one_connection_serves_many_buckets(customer: Customer, shell: Shell) -> None:
    for bucket in ("acme", "second"):
        customer.bucket(bucket, OBJECTS)
    customer.role("ext-1", buckets=("acme", "second"))
    shell.add_role("--allow", "s3://second")
    for bucket in ("acme", "second"):
        assert shell.ok("ingest", f"s3://{bucket}", "--connection", "acme", "--json").json["added"] == 3
    assert _keys(shell, "acme") == {f"{bucket}/{key}" for bucket in ("acme", "second") for key in OBJECTS}


@pytest.mark.acceptance("KO-04", "KO-05", "KO-06")
def test_a_job_without_a_connection_finds_the_most_specific_one(customer: Customer, shell: Shell) -> None:
    for bucket in ("acme", "other"):
        customer.bucket(bucket, OBJECTS)
    customer.role("ext-1", buckets=("acme",))
    shell.ok("connections", "add", "whole", *AS_ROLE, "--allow", "s3://acme")
    shell.ok("connections", "add", "deep", *AS_ROLE, "--allow", "s3://acme/a/")
    for place, chosen in (
        ("s3://acme/a/", "deep"),
        ("s3://acme/b/", "whole"),
        ("s3://acme", "whole"),
        ("s3://other", "default"),
    ):
        assert shell.ok("ingest", place, "--json").json["connection"] == chosen
    shell.ok("connections", "add", "twin", *AS_ROLE, "--allow", "s3://acme/a/")
    done = shell.longshore("ingest", "s3://acme/a/")
    assert (done.code, "is permitted by deep and twin alike: name one of them (--connection" in done.err) == (1, True)


@pytest.mark.acceptance("KO-11")
@pytest.mark.parametrize("region", [None, "eu-west-1", "us-east-1"])
def test_role_and_region_are_saved_and_the_region_need_not_be_right(
    customer: Customer, shell: Shell, region: str | None
) -> None:
    customer.tell("bucket", name="far", region="ap-southeast-2")
    customer.tell("put", bucket="far", key="a", body="one")
    customer.role("ext-1", buckets=("far",))
    named = () if region is None else ("--region", region)
    shell.ok("connections", "add", "acme", *AS_ROLE, "--allow", "s3://far", *named)
    shown = shell.ok("connections", "show", "acme", "--json").json
    assert (shown["role_arn"], shown["region"]) == (ROLE, region)
    assert shell.ok("ingest", "s3://far", "--connection", "acme", "--json").json["added"] == 1


@pytest.mark.acceptance("IN-05")
def test_what_the_organisation_has_every_workspace_uses_with_records_of_its_own(
    customer: Customer, shell: Shell
) -> None:
    customer.bucket("acme", OBJECTS)
    customer.role("ext-1")
    shell.ok("connections", "add", "ours", *AS_ROLE, "--allow", "s3://acme")
    shell.ok("connections", "add", "everyones", *AS_ROLE, "--allow", "s3://acme", "--audience", "organisation")
    blue = _as(shell, "blue")
    assert [one["name"] for one in blue.ok("connections", "list", "--json").lines] == ["default", "everyones"]
    assert "organisation, by main" in blue.ok("connections", "list").out
    assert blue.longshore("ingest", "s3://acme", "--connection", "ours").code == 1
    assert blue.ok("ingest", "s3://acme", "--json").json["connection"] == "everyones"
    shell.ok("ingest", "s3://acme", "--connection", "everyones")
    of_blue, of_main = (
        {one["id"] for one in where.ok("assets", "--connection", "everyones", "--json").lines}
        for where in (blue, shell)
    )
    assert (len(of_blue), len(of_main), of_blue & of_main) == (3, 3, set())
    shown = blue.ok("connections", "show", "everyones").out
    assert ROLE not in shown
    assert "ext-1" not in shown
    for command in (("update", "everyones", "--region", "eu-west-1"), ("remove", "everyones", "--yes", "everyones")):
        done = blue.longshore("connections", *command)
        assert (done.code, "belongs to workspace 'main'" in done.err) == (1, True)
    assert "its records are in use" in blue.longshore("purge", "--connection", "everyones", "--yes").err
    shell.ok("connections", "remove", "everyones", "--yes", "everyones")
    purged = blue.ok("purge", "--connection", "everyones", "--yes", "--json").json
    assert (purged["assets"], purged["runs"]) == (3, 1)
    assert len(shell.ok("assets", "--connection", "everyones", "--json").lines) == 3


@pytest.mark.acceptance("IN-10", "IN-13", "IN-15")
def test_a_role_is_added_once_used_by_many_and_not_removed_before_them(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", OBJECTS)
    customer.role("ext-1")
    assert "no roles yet" in shell.ok("roles", "list").out
    said = shell.ok("roles", "add", "reader", *AS_ROLE).out
    assert "its trust policy must ask for the external ID ext-1:  longshore policy trust reader --kept-role" in said
    for folder in ("a", "b"):
        shell.ok("connections", "add", folder, "--role", "reader", "--allow", f"s3://acme/{folder}/")
    assert shell.ok("ingest", "s3://acme/a/", "--json").json["added"] == 2
    assert shell.ok("ingest", "s3://acme/b/", "--json").json["added"] == 1
    assert shell.ok("roles", "show", "reader", "--json").json["used_by"] == ["a", "b"]
    assert "2 connections" in shell.ok("roles", "list").out
    in_use = shell.longshore("roles", "remove", "reader")
    assert (in_use.code, "role 'reader' is in use by a, b; remove these" in in_use.err) == (1, True)
    customer.role("ext-2")
    shell.ok("roles", "update", "reader", "--external-id", "ext-2")
    customer.bucket("acme", OBJECTS | {"b/4.txt": "four"})
    assert shell.ok("ingest", "s3://acme/b/", "--json").json["state"] == "complete"
    for folder in ("a", "b"):
        shell.ok("connections", "remove", folder, "--yes", folder)
    shell.ok("roles", "remove", "reader")
    assert shell.longshore("roles", "show", "reader").code == 1


@pytest.mark.acceptance("CO-18")
def test_what_is_wrong_with_a_role_is_told_by_what_was_typed(shell: Shell) -> None:
    done = shell.longshore("roles", "add", "Reader", "--role-arn", "reader", "--external-id", "x")
    assert done.code == 1
    for typed in ("the role can't be used: ", "NAME: ", "--role-arn: ", "--external-id: "):
        assert typed in done.err
    shell.ok("roles", "add", "reader", *AS_ROLE)
    done = shell.longshore("roles", "update", "reader", "--role-arn", ROLE)
    assert (done.code, "a role's role arn can't be changed" in done.err) == (1, True)
    assert shell.longshore("roles", "update", "reader").code == 2


@pytest.mark.acceptance("IN-14", "IN-16")
@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--role-arn", ROLE), "role can't be changed in place"),
        (("--role", "other"), "role can't be changed in place"),
        (("--kind", "aws_keys"), "kind can't be changed"),
        (("--scope", "bedrock"), "scope can't be changed"),
        (("--name", "other"), "name can't be changed"),
        (("--username", "x"), "user can't be changed"),
    ],
)
def test_how_a_connection_gets_in_is_not_changed_in_place(shell: Shell, option: tuple[str, ...], said: str) -> None:
    shell.add_role()
    done = shell.longshore("connections", "update", "acme", *option)
    assert (done.code, said in done.err, "remove the connection and add it anew" in done.err) == (1, True, True)


@pytest.mark.acceptance("IN-16")
def test_an_access_key_is_changed_in_place(customer: Customer, shell: Shell) -> None:
    shell.environment["LONGSHORE_SECRET_KEYS"] = f"k1:{base64.b64encode(os.urandom(32)).decode()}"
    customer.bucket("acme", OBJECTS)
    for number in (1, 2):
        customer.tell("keys", access_key_id=f"AKIAFAKECUSTOMER000{number}", secret=f"secret/of/key/{number}")
    key = ("--secret-stdin", "--access-key-id")
    shell.ok(
        "connections", "add", "keys", *key, "AKIAFAKECUSTOMER0001", "--allow", "s3://acme", stdin="secret/of/key/1"
    )
    shell.ok("ingest", "s3://acme", "--connection", "keys")
    shell.ok("connections", "update", "keys", *key, "AKIAFAKECUSTOMER0002", stdin="secret/of/key/2")
    customer.tell("forget")
    shell.ok("ingest", "s3://acme", "--connection", "keys")
    assert {one["access_key_id"] for one in customer.seen("list")} == {"AKIAFAKECUSTOMER0002"}


@pytest.mark.acceptance("IN-17")
def test_removal_asks_for_the_name_and_a_connection_that_comes_back_finds_the_same_assets(
    customer: Customer, shell: Shell
) -> None:
    customer.bucket("acme", OBJECTS)
    customer.role("ext-1")
    shell.add_role()
    shell.ok("ingest", "s3://acme", "--connection", "acme")
    before = shell.ok("assets", "--connection", "acme", "--json").lines
    customer.tell("forget")
    wrong = shell.longshore("connections", "remove", "acme", stdin="acm\n")
    assert (wrong.code, "nothing was removed" in wrong.err) == (1, True)
    shell.ok("connections", "remove", "acme", stdin="acme\n")
    assert _untouched(customer)
    shell.add_role()
    summary = shell.ok("ingest", "s3://acme", "--connection", "acme", "--json").json
    assert (summary["unchanged"], summary["added"]) == (3, 0)
    after = shell.ok("assets", "--connection", "acme", "--json").lines
    assert [one["id"] for one in after] == [one["id"] for one in before]


def test_a_connection_in_use_is_not_removed_and_show_says_by_whom(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", OBJECTS)
    shell.add_role()
    shell.ok("schedules", "add", "nightly", "--cron", "30 2 * * *", "s3://acme", "--connection", "acme")
    (used,) = shell.ok("connections", "show", "acme", "--json").json["used_by"]
    assert "schedules read through it: nightly" in used
    done = shell.longshore("connections", "remove", "acme", "--yes", "acme")
    assert (done.code, "connection 'acme' is in use: schedules read through it: nightly" in done.err) == (1, True)


@pytest.mark.acceptance("IN-18")
def test_the_default_connection_is_not_removed(shell: Shell) -> None:
    done = shell.longshore("connections", "remove", "default", "--yes", "default")
    assert (done.code, "the built-in connection 'default' can't be removed" in done.err) == (1, True)


def test_an_external_id_is_issued_here_and_told_when_the_connection_is_added(customer: Customer, shell: Shell) -> None:
    shell.environment["LONGSHORE_EXTERNAL_IDS"] = "issued"
    customer.bucket("acme", OBJECTS)
    said = shell.ok("connections", "add", "acme", "--role-arn", ROLE, "--allow", "s3://acme").out
    issued = shell.ok("connections", "show", "acme", "--json").json["external_id"]
    assert f"must ask for the external ID {issued}:" in said
    assert "longshore connections test acme" in said
    refused = shell.longshore("connections", "add", "two", *AS_ROLE, "--allow", "s3://acme")
    assert (refused.code, "external IDs are issued here" in refused.err) == (1, True)
    customer.role(issued)
    assert shell.ok("ingest", "s3://acme", "--connection", "acme", "--json").json["added"] == 3
    assert shell.ok("connections", "show", "acme", "--json").json["trust"] == "safe"


@pytest.mark.acceptance("CG-15")
def test_a_role_that_anyone_may_assume_is_not_used(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", OBJECTS)
    customer.role(external_id=None)
    shell.add_role()
    done = shell.longshore("ingest", "s3://acme", "--connection", "acme")
    assert done.code == 1
    assert "can be assumed without the right external ID" in done.err
    assert not customer.seen("list")
    assert "open" in shell.ok("connections", "list").out
    customer.role("ext-1")
    assert shell.ok("ingest", "s3://acme", "--connection", "acme", "--json").json["added"] == 3


def test_the_audit_tells_who_did_what(shell: Shell) -> None:
    assert "nothing was done that fits" in shell.ok("audit").out
    shell.add_role()
    shell.ok("connections", "update", "acme", "--region", "eu-west-1", "--versions")
    shell.ok("roles", "add", "reader", *AS_ROLE)
    shell.ok("connections", "remove", "acme", "--yes", "acme")

    def told(*arguments: str) -> list[Any]:
        return [(one["action"], one["object"]) for one in shell.ok("audit", "--json", *arguments).lines]

    acme = [("created", "connection:acme"), ("updated", "connection:acme"), ("removed", "connection:acme")]
    assert told("--on", "connection:acme") == acme
    assert told("--action", "created") == [("created", "connection:acme"), ("created", "role:reader")]
    assert told("--limit", "1") == acme[-1:]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    assert told("--since", "2026-01-01") == told()
    assert told("--since", tomorrow) == []
    table = shell.ok("audit").out
    assert "region, versions" in table
    assert "cli:" in table
    assert shell.longshore("audit", "--since", "yesterday").code == 2


async def _was_tested(shell: Shell, summary: dict[str, Any]) -> None:
    async with open_database(shell.environment["LONGSHORE_CATALOG_URL"]) as database:
        registry = a_registry(database)
        await registry.was_tested(await registry.get("acme", workspace="main"), json.dumps(summary))


def test_the_last_test_of_a_connection_is_shown_until_it_changes(shell: Shell) -> None:
    shell.add_role()
    asyncio.run(_was_tested(shell, {"verdict": "failed", "steps": 9, "not_passed": ["list s3://acme"]}))
    today = datetime.now(UTC).date().isoformat()
    assert f"failed {today}" in shell.ok("connections", "list").out
    shown = shell.ok("connections", "show", "acme").out
    assert "verdict failed, steps 9, not_passed list s3://acme, at " in shown
    shell.ok("connections", "update", "acme", "--region", "eu-west-1")
    assert shell.ok("connections", "show", "acme", "--json").json.get("tested") is None


@pytest.mark.acceptance("IN-05")
def test_trouble_with_anothers_connection_names_neither_its_role_nor_its_external_id(
    customer: Customer, shell: Shell
) -> None:
    customer.bucket("acme", OBJECTS)
    shell.add_role("--audience", "organisation")
    blue = _as(shell, "blue")
    for breaking in (
        {"external_id": "another"},
        {"external_id": "ext-1", "policy": {"Version": "2012-10-17", "Statement": []}},
    ):
        customer.tell("role", arn=ROLE, **breaking)
        ingested = blue.longshore("ingest", "s3://acme/a/", "--connection", "acme")
        assert "AccessDenied" in ingested.err
        assert "workspace 'main', whose it is, sees more" in ingested.err
        for done in (
            ingested,
            blue.longshore("presign", "s3://acme/a/1.txt", "--connection", "acme"),
            blue.ok("runs", "--json"),
            blue.ok("connections", "show", "acme", "--json"),
        ):
            for secret in ("ext-1", ROLE.split(":")[4], "longshore-reader"):
                assert secret not in done.out + done.err
