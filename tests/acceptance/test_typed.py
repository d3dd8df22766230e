"""What is typed for a connection: what is unset, refused at once, told together, and read back."""

from __future__ import annotations

import base64
import os
from datetime import datetime

from tests.acceptance.shell import ROLE, Shell


def test_a_session_ttl_can_be_unset(shell: Shell) -> None:
    shell.ok("connections", "add", "acme", "--role-arn", ROLE, "--allow", "s3://acme", "--session-ttl", "600")
    assert shell.ok("connections", "show", "acme", "--json").json["session_ttl_s"] == 600
    shell.ok("connections", "update", "acme", "--session-ttl", "")
    assert shell.ok("connections", "show", "acme", "--json").json["session_ttl_s"] == 3600
    assert shell.longshore("connections", "update", "acme", "--session-ttl", "x").code == 2


def test_what_is_wrong_is_told_together_with_the_key_that_is_missing(shell: Shell) -> None:
    wrong = ("--access-key-id", "ASIAFAKECUSTOMER0001", "--allow", "acme")
    done = shell.longshore("connections", "add", "old", *wrong)
    assert done.code == 1
    for said in ("--access-key-id: keys that begin with ASIA", "--allow: type the place as", "LONGSHORE_SECRET_KEYS"):
        assert said in done.err


def test_what_goes_to_the_organisation_is_warned_of(shell: Shell) -> None:
    shell.add_role()
    shell.ok("roles", "add", "shared", "--role-arn", f"{ROLE}-2")
    for arguments in (("connections", "update", "acme"), ("roles", "update", "shared")):
        first = shell.ok(*arguments, "--audience", "organisation")
        assert "that can't be taken back" in first.err
        assert "that can't be taken back" not in shell.ok(*arguments, "--audience", "organisation").err


def test_a_removal_that_can_not_be_is_refused_before_anybody_types(shell: Shell) -> None:
    shell.add_role()
    built_in = shell.longshore("connections", "remove", "default")
    assert built_in.code == 1
    assert "Type default" not in built_in.err
    assert "can't be removed" in built_in.err
    nobody = shell.longshore("connections", "remove", "acme", stdin="")
    assert nobody.code == 2
    assert "give --yes acme" in nobody.err
    assert shell.longshore("connections", "remove", "acme", "--yes", "").code == 1
    assert shell.ok("connections", "show", "acme").out


def test_times_are_told_in_one_way(shell: Shell) -> None:
    shell.add_role()
    shell.ok("roles", "add", "shared", "--role-arn", f"{ROLE}-2")
    assert shell.longshore("connections", "test", "acme", "--wait", "0").code == 1
    acme = shell.ok("connections", "show", "acme", "--json").json
    for told in (acme["created_at"], acme["updated_at"], acme["tested"]["at"]):
        assert datetime.fromisoformat(told).tzinfo is not None
    built_in, listed = shell.ok("connections", "list", "--json").lines
    assert (built_in["created_at"], listed["created_at"]) == (None, acme["created_at"])
    for role in (shell.ok("roles", "show", "shared", "--json").json, *shell.ok("roles", "list", "--json").lines):
        assert datetime.fromisoformat(role["created_at"]).tzinfo is not None


def test_an_arn_or_a_url_is_answered_with_what_to_type(shell: Shell) -> None:
    for text, typed in (
        ("arn:aws:s3:::acme/2026/a.jpg", "s3://acme/2026/a.jpg"),
        ("https://acme.s3.eu-west-1.amazonaws.com/2026/a%20b.jpg?x=1", "s3://acme/2026/a b.jpg"),
        ("acme-photos", "s3://acme-photos"),
    ):
        for command in ("ingest", "presign"):
            done = shell.longshore(command, text)
            assert done.code != 0
            assert f"write {typed}" in done.err.replace("\n", " "), done.err


def test_a_wrong_name_in_an_audit_is_answered_with_the_right_one(shell: Shell) -> None:
    shell.add_role()
    done = shell.longshore("audit", "--on", "acme")
    assert done.code == 2
    assert "connection:acme" in done.err
    done = shell.longshore("audit", "--action", "create")
    assert done.code == 2
    assert "created" in done.err
    assert shell.ok("audit", "--on", "connection:acme", "--action", "created").out


def test_an_audit_shows_the_end_of_an_access_key_and_fits_on_a_screen(shell: Shell) -> None:
    shell.environment |= {
        "LONGSHORE_SECRET_KEYS": f"k1:{base64.b64encode(os.urandom(32)).decode()}",
        "LONGSHORE_SECRET_ACCESS_KEY": "s" * 40,
    }
    shell.ok("connections", "add", "old", "--access-key-id", "AKIAFAKECUSTOMER0001", "--allow", "s3://acme")
    shell.ok("connections", "update", "old", "--access-key-id", "AKIAFAKECUSTOMER0002", "--region", "eu-west-1")
    shell.ok("connections", "remove", "old", "--yes", "old")
    for done in (shell.ok("audit"), shell.ok("audit", "--json")):
        assert "AKIAFAKE" not in done.out
    assert shell.ok("audit", "--json").lines[0]["detail"]["spec"]["access_key_id"] == "…0001"
    assert max(map(len, shell.ok("audit").out.splitlines())) <= 100
