"""Copies and tags as they are asked for in a shell, by a role that has the policy which the shell printed."""

from __future__ import annotations

import pytest

from tests.acceptance.shell import ROLE, Customer, Shell
from tests.fakes.iam_documents import allow, policy

OURS = "arn:aws:s3:::ours/copies/*"


@pytest.mark.acceptance("CG-10")
def test_objects_are_copied_by_the_policy_that_is_printed(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"a.jpg": "alpha", "b.jpg": "beta"}, account="444455556666")
    customer.tell("tags", bucket="acme", key="a.jpg", tags={"from": "camera"})
    writes = policy(allow(["s3:PutObject*", "s3:AbortMultipartUpload", "s3:GetObject"], OURS, principal=ROLE))
    customer.bucket("ours", {}, account="111122223333", policy=writes)
    customer.role("ext-1")
    shell.add_role("--tags")
    printed = shell.ok("policy", "access", "acme", "--copy-to", "s3://ours/copies/").json
    customer.tell("change_role", arn=ROLE, policy=printed)
    assert "no job copies there so far" in shell.ok("policy", "access", "acme", "--copy-to", "s3://ours/copies/").err
    asked = ("ingest", "s3://acme", "--copy-to", "s3://ours/copies/", "--tags", "--json")
    refused = shell.longshore(*asked)
    assert refused.code != 0
    assert "LONGSHORE_COPY_TARGETS" in refused.err
    assert not customer.seen("copy")

    shell.environment["LONGSHORE_COPY_TARGETS"] = "s3://ours/copies/"
    for folder, below in (("", ""), ("2026/a/", "@2026/@a/")):
        told = shell.ok("policy", "access", "acme", "--copy-to", f"s3://ours/copies/{folder}")
        assert f"arn:aws:s3:::ours/copies/main/acme/{below}*" in told.out
        assert "no job copies there" not in told.err
    customer.tell("change_role", arn=ROLE, policy=shell.ok("policy", "access", "acme", *asked[2:4]).json)
    first = shell.ok(*asked).json
    assert first["requests"] == {"list": 1, "head": 2, "get": 0, "tags": first["requests"]["tags"], "copy": 2, "sts": 1}
    assert first["requests"]["tags"] in (1, 2)
    assert first["cost_usd"] >= 3 * 0.005 / 1000
    rows = {row["key"]: (row["copied_to"], row["tags"]) for row in shell.ok("assets", "--json").lines}
    assert rows["a.jpg"] == ("s3://ours/copies/main/acme/acme/a.jpg", {"from": "camera"})
    assert rows["b.jpg"] == ("s3://ours/copies/main/acme/acme/b.jpg", {})
    second = shell.ok(*asked).json
    assert (second["unchanged"], second["requests"]["copy"], second["requests"]["head"]) == (2, 0, 0)

    customer.tell("put", bucket="acme", key="a.jpg", body="another")
    customer.tell("change_bucket", name="ours", policy=policy(allow("s3:GetObject", OURS, principal=ROLE)))
    third = shell.longshore(*asked)
    assert third.code == 3
    assert "the target is denied" in third.err
    assert "longshore policy access acme --copy-to s3://ours/copies/`" in third.err
