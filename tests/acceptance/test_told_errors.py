"""What a failed run says: once, with the command that finds out more, and what is wrong with a key as a matter of the key."""

from __future__ import annotations

import base64
import os

import pytest

from console.wrapping import wrapped
from tests.acceptance.shell import Customer, Shell


def _keys(shell: Shell) -> None:
    shell.environment |= {
        "LONGSHORE_SECRET_KEYS": f"k1:{base64.b64encode(os.urandom(32)).decode()}",
        "LONGSHORE_SECRET_ACCESS_KEY": "s" * 40,
    }
    shell.ok("connections", "add", "old", "--access-key-id", "AKIAFAKECUSTOMER0001", "--allow", "s3://acme")


def test_why_a_run_failed_is_told_once_with_what_comes_next(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"a": "b"})
    customer.role("ext-1", buckets=("other",))
    shell.add_role()
    done = shell.longshore("ingest", "s3://acme", "--connection", "acme")
    assert done.code == 1
    assert (done.out + done.err).count("no identity-based policy allows the s3:ListBucket action") == 1
    assert "next:  longshore connections test acme\n" in done.err
    assert "next:  longshore connections test acme\n" in shell.ok("runs", "show").out


@pytest.mark.parametrize("asked", [True, False])
def test_the_log_says_it_too_where_it_was_asked_for(asked: bool, customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"a": "b"})
    customer.role("ext-1", buckets=("other",))
    shell.add_role()
    shell.environment |= {"LONGSHORE_LOG_LEVEL": "WARNING"} if asked else {}
    assert ("run failed" in shell.longshore("ingest", "s3://acme", "--connection", "acme").err) is asked


def test_a_secret_that_is_another_keys_is_told_as_such(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"a": "b"})
    _keys(shell)
    customer.tell("fault", kind="error", op="list", status=403, code="SignatureDoesNotMatch", times=0)
    done = shell.longshore("ingest", "s3://acme", "--connection", "old")
    assert done.code == 1
    assert "longshore connections update NAME --new-secret" in done.err
    assert "Grant s3:ListBucket" not in done.err


def test_a_bucket_that_denies_the_built_in_connection_is_opened_by_its_policy(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"a": "b"})
    customer.bucket_policy("acme", {"Version": "2012-10-17", "Statement": []}, account="444455556666")
    done = shell.longshore("ingest", "s3://acme")
    assert "for the built-in connection our own role, by the bucket's policy" in done.err
    assert "next:  longshore connections test default --uri s3://acme/\n" in done.err


def test_a_message_is_wrapped_for_a_terminal_and_stays_on_one_line_for_a_program() -> None:
    text = "error: the one connection that there is does not permit s3://acme-photos/2026/a-rather-long-prefix/"
    assert wrapped(text, None) == text
    lines = wrapped(text, 40).splitlines()
    assert " ".join(lines) == text
    assert all(len(line) <= 40 or " " not in line for line in lines)
