"""What `longshore policy` prints is pasted into the customer's cloud as it is: it is enough, and no more than enough."""

from __future__ import annotations

import pytest

from tests.acceptance.shell import ROLE, Customer, Shell
from tests.fakes.sts import ACCOUNT
from tests.unit.credentials.policies import templates

CUSTOMERS = "444455556666"
KEY = f"arn:aws:kms:us-east-1:{CUSTOMERS}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
READER = f"arn:aws:iam::{ACCOUNT}:role/longshore-reader"
PLACE = "s3://acme/2026/"


@pytest.fixture
def customer(customer: Customer) -> Customer:
    """A bucket of the customer's with one place that is meant and others that are not; each object under a key of KMS."""
    customer.tell("bucket", name="acme", account=CUSTOMERS)
    customer.tell("kms", arn=KEY)
    for key in ("2026/a", "2026/b", "2026-secret/c", "d"):
        customer.tell("put", bucket="acme", key=key, body=key, kms_key=KEY)
    return customer


def reads(shell: Shell, uri: str, connection: str, *arguments: str) -> tuple[str, int]:
    """How a run ended, and how many objects it wrote down."""
    done = shell.longshore("ingest", uri, "--connection", connection, "--depth", "head", "--json", *arguments).json
    return done["state"], done["added"] + done["changed"]


@pytest.mark.acceptance("IN-11", "IN-12", "KO-10", "CO-15")
def test_a_role_with_the_printed_policies_reads_its_place_and_lets_in_nobody_else(
    customer: Customer, shell: Shell
) -> None:
    places = ("--allow", PLACE, "--kms-key", KEY)
    trust = shell.ok("policy", "trust", "acme").json
    customer.tell("role", arn=ROLE, trust=trust, policy=shell.ok("policy", "access", "acme", *places).json)
    shell.ok("connections", "add", "acme", "--role-arn", ROLE, "--allow", PLACE)
    assert reads(shell, PLACE, "acme") == ("complete", 2)
    assert shell.ok("connections", "show", "acme", "--json").json["trust"] == "safe"
    assert [call["outcome"] for call in customer.probes()] == ["ok", "AccessDenied", "AccessDenied"]
    shell.ok("connections", "update", "acme", "--allow", "s3://acme")
    assert reads(shell, "s3://acme/2026-secret/", "acme") == ("failed", 0)
    assert shell.ok("policy", "trust", "acme").json == trust


@pytest.mark.acceptance("CG-04", "CG-05")
@pytest.mark.parametrize("how", ["cloudformation", "terraform"])
def test_a_role_that_a_template_makes_reads_the_place(how: str, customer: Customer, shell: Shell) -> None:
    printed = shell.ok("policy", how, "acme", "--allow", PLACE, "--kms-key", KEY).out
    read = templates.cloudformation(printed) if how == "cloudformation" else templates.terraform(printed)
    customer.tell("role", arn=ROLE, trust=read.trust, policy=read.access)
    shell.ok("connections", "add", "acme", "--role-arn", ROLE, "--allow", PLACE)
    assert reads(shell, PLACE, "acme") == ("complete", 2)


def test_without_the_printed_key_statement_a_key_stays_shut(customer: Customer, shell: Shell) -> None:
    """Its own policy lets nobody in but its administrator; then the statement is added to it."""
    admin = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{CUSTOMERS}:user/admin"},
        "Action": "kms:*",
        "Resource": "*",
    }
    customer.kms(KEY, policy={"Version": "2012-10-17", "Statement": [admin]})
    access = shell.ok("policy", "access", "acme", "--allow", PLACE, "--kms-key", KEY).json
    customer.tell("role", arn=ROLE, trust=shell.ok("policy", "trust", "acme").json, policy=access)
    shell.ok("connections", "add", "acme", "--role-arn", ROLE, "--allow", PLACE)
    assert reads(shell, PLACE, "acme")[1] == 0
    statement = shell.ok("policy", "kms", "acme", "--kms-key", KEY).json
    customer.kms(KEY, policy={"Version": "2012-10-17", "Statement": [admin, statement]})
    assert reads(shell, PLACE, "acme") == ("complete", 2)


@pytest.mark.acceptance("IN-12")
def test_the_printed_bucket_policy_lets_one_workspace_in_by_our_reader_role(customer: Customer, shell: Shell) -> None:
    for key in ("2026/a", "2026/b"):
        customer.tell("put", bucket="acme", key=key, body=key)
    shell.environment |= {"LONGSHORE_READER_ROLE": READER}
    ours = shell.ok("policy", "access", "default", "--allow", "s3://acme", "--allow", "s3://another-customers").json
    trust = shell.ok("policy", "trust", "default").json
    customer.tell("role", arn=READER, trust=trust, policy=ours)
    mains = shell.ok("policy", "bucket", "default", "--allow", PLACE).json
    customer.bucket_policy("acme", mains)
    assert reads(shell, PLACE, "default") == ("complete", 2)
    shell.environment |= {"LONGSHORE_WORKSPACE": "beta"}
    assert reads(shell, PLACE, "default") == ("failed", 0)
    betas = shell.ok("policy", "bucket", "default", "--allow", PLACE).json
    customer.bucket_policy("acme", {**mains, "Statement": mains["Statement"] + betas["Statement"]})
    assert reads(shell, PLACE, "default") == ("complete", 2)


def test_our_own_identity_is_let_in_by_the_bucket_alone(customer: Customer, shell: Shell) -> None:
    customer.tell("put", bucket="acme", key="2026/a", body="a")
    customer.tell("put", bucket="acme", key="2026/b", body="b")
    assert reads(shell, PLACE, "default") == ("failed", 0)
    printed = shell.ok("policy", "bucket", "default", "--allow", PLACE)
    assert "is who AWS says we are now" in printed.err
    customer.bucket_policy("acme", printed.json)
    assert reads(shell, PLACE, "default") == ("complete", 2)
