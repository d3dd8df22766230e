"""What `longshore policy` says beside a document: the next command works, and what is easily mistaken is told."""

from __future__ import annotations

import pytest

from tests.acceptance.shell import Shell
from tests.unit.console.test_policy import READER, add, external_id
from tests.unit.credentials.policies.setups import CUSTOMER, US


def test_the_reader_role_is_set_up_by_what_is_printed(shell: Shell) -> None:
    """Our own identity assumes it with the workspace as a session tag; it knows no external ID."""
    shell.environment |= {"LONGSHORE_READER_ROLE": READER}
    done = shell.ok("policy", "trust", "default")
    (statement,) = done.json["Statement"]
    assert statement["Principal"] == {"AWS": US}
    assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert "Condition" not in statement
    assert "suggested role name    longshore-reader\n" in done.err
    assert "then:  longshore policy access default --allow s3://bucket\n" in done.err


PLACES = ("--allow", "s3://acme-photos/2026/", "--allow", "s3://acme-video")


@pytest.mark.parametrize(
    ("arguments", "then"),
    [
        (("access", "default", *PLACES), "longshore policy bucket default --allow s3://acme-photos/2026/"),
        (("bucket", "default", *PLACES[2:]), "longshore connections test default --uri s3://acme-video/"),
        (("commands", "default", *PLACES), "longshore connections test default --uri s3://acme-photos/2026/"),
        (("bucket", "acme"), "longshore connections test acme"),
        (("access", "acme"), "longshore policy trust acme"),
        (("access", "old-acme"), "longshore connections test old-acme"),
        (("trust", "shared", "--kept-role"), "longshore connections add NAME --role shared --allow s3://bucket"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else "",
)
def test_what_comes_then_is_a_command_that_works(arguments: tuple[str, ...], then: str, shell: Shell) -> None:
    shell.environment |= {"LONGSHORE_SECRET_KEYS": "a:" + "A" * 43 + "=", "LONGSHORE_SECRET_ACCESS_KEY": "s" * 40}
    add(shell)
    shell.ok("connections", "add", "old-acme", "--access-key-id", "AKIAEXAMPLE", "--allow", "s3://acme-photos")
    shell.ok("roles", "add", "shared", "--role-arn", CUSTOMER)
    done = shell.ok("policy", *arguments)
    assert f"then:  {then}\n" in done.err
    assert ("the key's user" in done.err) is ("old-acme" in arguments)


def test_a_kept_role_of_the_same_name_is_told_of(shell: Shell) -> None:
    shell.ok("roles", "add", "shared", "--role-arn", CUSTOMER)
    kept = shell.ok("policy", "trust", "shared", "--kept-role")
    assert external_id(kept) == shell.ok("roles", "show", "shared", "--json").json["external_id"]
    assert "note: there is a kept role" not in kept.err
    other = shell.ok("policy", "trust", "shared")
    assert "note: there is a kept role shared" in other.err
    assert "`longshore policy trust shared --kept-role`" in other.err


def test_a_place_that_the_connection_does_not_permit_is_told(shell: Shell) -> None:
    add(shell)
    assert "does not permit s3://other so far" in shell.ok("policy", "access", "acme", "--allow", "s3://other").err
    narrower = shell.ok("policy", "access", "acme", "--allow", "s3://acme-photos/2026/july/")
    assert "does not permit" not in narrower.err
