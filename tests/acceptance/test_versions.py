"""All versions of a bucket's objects, as users ask for them and see them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.shell import ROLE, Customer, Shell
from tests.fakes.iam_documents import allow, policy, reads


def _ingest(shell: Shell, *arguments: str) -> dict[str, Any]:
    done = shell.ok("ingest", "s3://acme", "--versions", "all", *arguments, "--json").json
    assert done["certificate"]["holds"]
    assert isinstance(done, dict)
    return done


def _versions(shell: Shell) -> list[tuple[str, str, str, bool, bool]]:
    return [
        (row["key"], row["version_id"], row["state"], row["is_latest"], row["is_delete_marker"])
        for row in shell.ok("assets", "--versions", "--json").lines
        if row["version_id"]
    ]


def _counts(run: dict[str, Any]) -> dict[str, int]:
    names = ("listed", "added", "changed", "unchanged", "removed", "failed")
    return {name: run[name] for name in names if run[name]}


@pytest.mark.acceptance("KO-09")
def test_every_version_and_every_delete_marker_has_a_record(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"a": "before versions were kept"})
    customer.tell("change_bucket", name="acme", versioned=True)
    for body in ("one", "two"):
        customer.tell("put", bucket="acme", key="a", body=body, content_type=f"text/{body}")
    customer.tell("put", bucket="acme", key="b", body="b")
    customer.tell("delete", bucket="acme", key="b")
    first = _ingest(shell)
    assert _counts(first) == {"listed": 5, "added": 5}
    assert (first["requests"]["list"], first["requests"]["head"]) == (1, 4)
    v1, v2, v3, marker = (f"fake.version.{number:06d}" for number in range(1, 5))
    assert _versions(shell) == [
        ("a", v2, "present", True, False),
        ("a", v1, "present", False, False),
        ("a", "null", "present", False, False),
        ("b", marker, "present", True, True),
        ("b", v3, "present", False, False),
    ]
    assert shell.ok("assets", "--json").lines == []
    lines = shell.ok("assets", "--versions").out.splitlines()
    assert f"s3://acme/a (latest, version {v2})" in lines[0]
    assert "text/two" in lines[0]
    assert "delete marker" in lines[3]

    customer.tell("forget")
    second = _ingest(shell)
    assert _counts(second) == {"listed": 5, "unchanged": 5}
    assert [one["op"] for one in customer.seen()] == ["list_versions"]

    customer.tell("delete", bucket="acme", key="b", version=marker)
    customer.tell("delete", bucket="acme", key="a", version=v1)
    assert _counts(_ingest(shell)) == {"listed": 3, "changed": 1, "unchanged": 2, "removed": 2}
    assert [row for row in _versions(shell) if row[2] == "present"] == [
        ("a", v2, "present", True, False),
        ("a", "null", "present", False, False),
        ("b", v3, "present", True, False),
    ]


@pytest.mark.acceptance("KO-09")
def test_a_role_without_the_actions_on_versions_is_told_which_and_what_to_type(
    customer: Customer, shell: Shell
) -> None:
    customer.bucket("acme", {"a": "one"}, versioned=True)
    customer.role("ext-1")
    shell.add_role()
    done = shell.longshore("ingest", "s3://acme", "--connection", "acme", "--versions", "all", "--json")
    assert (done.code, done.json["state"], done.json["error_code"]) == (1, "failed", "AccessDenied")
    assert "s3:ListBucketVersions" in done.json["error"]
    assert "longshore connections update" in done.json["error"]
    more = allow(["s3:ListBucketVersions", "s3:GetObjectVersion"], ["arn:aws:s3:::acme", "arn:aws:s3:::acme/*"])
    customer.tell("change_role", arn=ROLE, policy=policy(*reads("acme"), more))
    done = shell.ok("ingest", "s3://acme", "--connection", "acme", "--versions", "all", "--json")
    assert (done.json["state"], done.json["added"]) == ("complete", 1)
