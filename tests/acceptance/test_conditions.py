"""Roles whose policies put conditions on s3:prefix and s3:delimiter, as customers paste them from everybody's instructions."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.acceptance.shell import ROLE, Customer, Done, Shell

FILES = "path/to/files/"
KEYS = (
    "readme",
    "path/a",
    "path/to/b",
    FILES,
    FILES + "c",
    FILES + "d.jpg",
    FILES + "sub/e",
    FILES + "sub//f",
    FILES + "sub/deep/g é",
    "path/to/files-secret/h",
)
IN_FILES = sorted(key for key in KEYS if key.startswith(FILES))
CHAIN = {"StringEquals": {"s3:prefix": ["", "path/", "path/to/", FILES], "s3:delimiter": "/"}}
"""The folders on the way to the files, one by one, each with the delimiter."""
BELOW = {"StringLike": {"s3:prefix": FILES + "*"}}
BELOW_BY_FOLDER = {"StringLike": {"s3:prefix": FILES + "*"}, "StringEquals": {"s3:delimiter": "/"}}
ROOT_ONLY = {"StringEquals": {"s3:prefix": "", "s3:delimiter": "/"}}
NAIVE = {"StringLike": {"s3:prefix": "path/to/files*"}}
OURS = {"StringLike": {"s3:prefix": [FILES, FILES + "*"]}}
BY_FOLDER = {"StringEquals": {"s3:delimiter": "/"}}


def _role(customer: Customer, *conditions: dict[str, Any], keys: tuple[str, ...] = KEYS) -> None:
    """A role that may list under these conditions and read all; s3:GetBucketLocation is not granted."""
    customer.bucket("acme", dict.fromkeys(keys, "body"))
    lists = [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::acme", "Condition": condition}
        for condition in conditions
    ]
    reads = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::acme/*"}
    policy = {"Version": "2012-10-17", "Statement": [*lists, reads]}
    customer.tell("role", arn=ROLE, external_id="ext-1", policy=policy)


def _lists(customer: Customer) -> list[tuple[str, str, int]]:
    """Prefix, delimiter and status of each LIST."""
    found = []
    for one in customer.seen("list"):
        query = parse_qs(urlsplit(one["target"]).query, keep_blank_values=True)
        found.append((query["prefix"][0], query.get("delimiter", [""])[0], one["status"]))
    return found


def _ingest(shell: Shell, uri: str, *arguments: str) -> Done:
    shell.add_role()
    return shell.longshore("ingest", uri, "--connection", "acme", "--json", *arguments)


@pytest.mark.acceptance("CR-06", "CR-07", "CR-08", "CG-09")
@pytest.mark.parametrize(
    ("uri", "conditions", "keys", "denied"),
    [
        pytest.param("", [CHAIN], ("a", "b"), 1, id="the root's own objects, by the chain of folders"),
        pytest.param("", [ROOT_ONLY], ("a", "b"), 1, id="nothing but the root"),
        pytest.param(
            "", [CHAIN, BELOW], (*IN_FILES, "readme", "path/to/b"), 1, id="the root, by the chain and below it"
        ),
        pytest.param("", [BY_FOLDER], KEYS, 1, id="the root, with the delimiter only"),
        pytest.param("path/to/", [BY_FOLDER], KEYS, 1, id="a folder, with the delimiter only"),
        pytest.param("path/to/fi", [BY_FOLDER], KEYS, 1, id="the beginning of a name, with the delimiter only"),
        pytest.param(FILES, [CHAIN], (FILES + "c", FILES + "d"), 1, id="a flat folder, by the chain"),
        pytest.param(FILES, [CHAIN, BELOW], KEYS, 0, id="the files, by the chain and below it"),
        pytest.param(FILES, [CHAIN, BELOW_BY_FOLDER], KEYS, 1, id="the files, by folder only"),
        pytest.param(FILES, [BELOW], KEYS, 0, id="the files, below"),
        pytest.param(FILES, [NAIVE], KEYS, 0, id="the files, by a pattern without a slash"),
        pytest.param(FILES, [OURS], KEYS, 0, id="the files, by our own policy"),
    ],
)
def test_a_run_brings_all_there_is_whatever_the_condition(
    customer: Customer, shell: Shell, uri: str, conditions: list[dict[str, Any]], keys: tuple[str, ...], denied: int
) -> None:
    _role(customer, *conditions, keys=keys)
    expected = sorted(key for key in keys if key.startswith(uri))
    done = _ingest(shell, f"s3://acme/{uri}")
    assert (done.code, done.json["state"], done.json["added"]) == (0, "complete", len(expected)), done
    assert done.json["certificate"]["holds"]
    assert sorted(row["key"] for row in shell.ok("assets", "--json").lines) == expected
    asked = _lists(customer)
    assert [status for _, _, status in asked].count(403) == denied
    if not denied:
        assert asked == [(uri, "", 200)]  # as for any role: no request more
    assert all(
        delimiter == "/" and (not prefix or prefix.endswith("/")) for prefix, delimiter, _ in asked[denied:] if denied
    )
    customer.tell("forget")
    again = shell.longshore("ingest", f"s3://acme/{uri}", "--connection", "acme", "--json").json
    assert (again["state"], again["unchanged"], again["added"]) == ("complete", len(expected), 0)


@pytest.mark.acceptance("CR-06", "CR-07", "CR-08")
@pytest.mark.parametrize(
    ("uri", "conditions", "words"),
    [
        pytest.param(
            FILES,
            [CHAIN],
            ["LIST s3://acme/path/to/files/sub/", "s3:prefix lacks 'path/to/files/sub/'"],
            id="a folder below the chain",
        ),
        pytest.param(
            "", [ROOT_ONLY], ["LIST s3://acme/path/", "s3:prefix lacks 'path/'"], id="a folder below the root"
        ),
        pytest.param(
            "",
            [CHAIN, BELOW],
            ["LIST s3://acme/path/to/files-secret/", "s3:prefix lacks", "or name the folders"],
            id="a folder beside the one that is allowed",
        ),
        pytest.param(
            FILES[:-1], [OURS], ["'path/to/files/' (with the slash)", "Name s3://acme/path/to/files/"], id="no slash"
        ),
        pytest.param("", [OURS], ["prefix='' and prefix='' with delimiter='/'", "s3:prefix"], id="the root"),
    ],
)
def test_what_a_condition_forbids_ends_the_run_with_an_error_that_names_it(
    customer: Customer, shell: Shell, uri: str, conditions: list[dict[str, Any]], words: list[str]
) -> None:
    _role(customer, *conditions)
    done = _ingest(shell, f"s3://acme/{uri}")
    assert (done.code, done.json["state"]) == (1, "failed")
    assert [word for word in words if word not in done.json["error"]] == [], done.json["error"]
    assert done.json["error_code"] == ("AccessDenied" if conditions == [OURS] and not uri else "ListCondition")
    assert len(_lists(customer)) < 20


@pytest.mark.acceptance("CR-07", "LS-04")
def test_a_walk_tells_what_is_gone_and_what_is_new(customer: Customer, shell: Shell) -> None:
    _role(customer, BY_FOLDER)
    shell.add_role()
    assert _counts(shell) == {"added": len(KEYS), "changed": 0, "removed": 0}
    customer.tell("delete", bucket="acme", key=FILES + "sub//f")
    customer.tell("put", bucket="acme", key=FILES + "sub/e", body="another")
    customer.tell("put", bucket="acme", key="new/x", body="new")
    assert _counts(shell) == {"added": 1, "changed": 1, "removed": 1}


def _counts(shell: Shell) -> dict[str, int]:
    run = shell.ok("ingest", "s3://acme", "--connection", "acme", "--json").json
    return {name: run[name] for name in ("added", "changed", "removed")}
