"""Signed URLs as the command line gives them: they open what they say, through the connection that is meant, and leave a trace."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.acceptance.shell import ROLE, Customer, Shell
from tests.fakes.sts import ACCOUNT

_direct = build_opener(ProxyHandler({}))
_KEYS = {"a/1.txt": "one", "a//2": "two", "c+d é%2F": "four", "🦭": "five"}


def _opened(url: str) -> tuple[int, str, dict[str, str]]:
    try:
        with _direct.open(url, timeout=20) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except HTTPError as error:
        with error:
            return error.code, error.read().decode(), dict(error.headers)


def _trail(shell: Shell) -> list[dict[str, Any]]:
    with sqlite3.connect(shell.catalog) as catalog:
        rows = catalog.execute("SELECT object, detail FROM audit WHERE action = 'presigned' ORDER BY id").fetchall()
    catalog.close()
    return [{"object": name, **json.loads(detail)} for name, detail in rows]


def _nothing_of_it_is_kept(folder: Path) -> bool:
    return not any(
        word in path.read_bytes() for path in folder.rglob("*") if path.is_file() for word in (b"X-Amz", b"Signature=")
    )


@pytest.mark.acceptance("KO-01", "KO-03")
def test_each_url_opens_its_object_and_the_audit_says_who_asked(
    customer: Customer, shell: Shell, tmp_path: Path
) -> None:
    customer.bucket("acme", _KEYS)
    customer.role("ext-1")
    shell.add_role()
    done = shell.ok("presign", *(f"s3://acme/{key}" for key in _KEYS), "--connection", "acme")
    urls = done.out.splitlines()
    assert [_opened(url)[:2] for url in urls] == [(200, body) for body in _KEYS.values()]
    assert _trail(shell) == [{"object": "connection:acme", "count": 4, "expires_s": 900, "buckets": ["acme"]}]
    assert _nothing_of_it_is_kept(tmp_path)
    assert not done.err


@pytest.mark.acceptance("KO-01")
def test_an_object_is_saved_by_a_name_or_shown_as_what_it_is(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"in/ä b.txt": "text"})
    uri = "s3://acme/in/ä b.txt"

    def headers(*arguments: str) -> tuple[str, str]:
        found = _opened(shell.ok("presign", uri, *arguments).out.strip())[2]
        return found["Content-Disposition"], found["Content-Type"]

    assert headers()[0] == "inline"
    assert headers("--content-type", "text/plain")[1] == "text/plain"
    assert headers("--download")[0] == "attachment; filename*=UTF-8''%C3%A4%20b.txt"
    assert headers("--filename", 'x"\r\ny: z')[0] == "attachment; filename*=UTF-8''x%22__y%3A%20z"


@pytest.mark.acceptance("KO-04", "KO-05", "KO-06")
def test_without_a_connections_name_the_most_specific_one_signs(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"in/a": "1", "other/b": "2"})
    customer.bucket("open", {"c": "3"})
    customer.role("ext-1")
    role = ("--role-arn", ROLE, "--external-id", "ext-1")
    shell.ok("connections", "add", "bucket", *role, "--allow", "s3://acme")
    shell.ok("connections", "add", "folder", *role, "--allow", "s3://acme/in/")
    uris = ["s3://acme/other/b", "s3://open/c", "s3://acme/in/a"]
    lines = shell.ok("presign", *uris, "--json").lines
    assert [(line["uri"], line["connection"]) for line in lines] == list(
        zip(uris, ["bucket", "default", "folder"], strict=True)
    )
    assert [_opened(line["url"])[1] for line in lines] == ["2", "3", "1"]
    assert sorted(line["object"] for line in _trail(shell)) == [
        "connection:bucket",
        "connection:default",
        "connection:folder",
    ]


@pytest.mark.acceptance("KO-04")
def test_our_reader_role_signs_with_a_session_that_reaches_one_bucket(customer: Customer, shell: Shell) -> None:
    reader = f"arn:aws:iam::{ACCOUNT}:role/longshore-bucket-reader"
    allowed = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*"}
    customer.tell("role", arn=reader, policy={"Version": "2012-10-17", "Statement": [allowed]})
    shell.environment["LONGSHORE_READER_ROLE"] = reader
    for name in ("one", "two"):
        customer.bucket(name, {"a": name})
    done = shell.ok("presign", "s3://one/a", "s3://two/a", "s3://one/b")
    assert [_opened(url)[:2] for url in done.out.splitlines()[:2]] == [(200, "one"), (200, "two")]
    policies = [call["parameters"]["Policy"] for call in customer.assumed()]
    assert [("arn:aws:s3:::one/*" in one, "arn:aws:s3:::two/*" in one) for one in policies] == [
        (True, False),
        (False, True),
    ]
    assert {call["parameters"]["RoleSessionName"] for call in customer.assumed()} == {"longshore-presign"}


@pytest.mark.acceptance("KO-03")
def test_a_url_ends_when_it_says_and_no_longer_one_than_a_session_is_given(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"a": "1"})
    customer.role("ext-1")
    shell.add_role()
    (line,) = shell.ok("presign", "s3://acme/a", "--connection", "acme", "--expires", "3540", "--json").lines
    left = datetime.fromisoformat(line["expires_at"]) - datetime.now(UTC)
    assert 3500 < left.total_seconds() <= 3540
    done = shell.longshore("presign", "s3://acme/a", "--connection", "acme", "--expires", "3541")
    assert (done.code, done.out) == (1, "")
    assert "3540 s at most" in done.err
    assert shell.longshore("presign", "s3://acme/a", "--expires", "604801").code == 2
    assert (
        "X-Amz-Expires=604800"
        in shell.ok("presign", "s3://acme/a", "--connection", "default", "--expires", "604800").out
    )


@pytest.mark.acceptance("KO-03")
def test_a_version_and_an_object_under_a_key_of_kms_open_through_a_roles_session(
    customer: Customer, shell: Shell
) -> None:
    """What such a session is narrowed to leaves room for both."""
    key = "arn:aws:kms:us-east-1:444455556666:key/1234"
    customer.bucket("acme", {})
    for version in ("v1", "v2"):
        customer.tell("put", bucket="acme", key="a", body=version, version_id=version)
    customer.tell("put", bucket="acme", key="sealed", body="secret", kms_key=key)
    allowed = [
        {"Effect": "Allow", "Action": "s3:GetObject*", "Resource": "arn:aws:s3:::acme/*"},
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key},
    ]
    customer.tell("role", arn=ROLE, external_id="ext-1", policy={"Version": "2012-10-17", "Statement": allowed})
    shell.add_role()
    assert _opened(shell.ok("presign", "s3://acme/a", "--version-id", "v1").out.strip())[:2] == (200, "v1")
    assert _opened(shell.ok("presign", "s3://acme/a").out.strip())[:2] == (200, "v2")
    assert _opened(shell.ok("presign", "s3://acme/sealed").out.strip())[:2] == (200, "secret")


def test_a_role_that_refuses_is_named_and_nothing_is_printed(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"a": "1"})
    customer.role("another")
    shell.add_role()
    done = shell.longshore("presign", "s3://acme/a", "--connection", "acme")
    assert (done.code, done.out) == (1, "")
    assert "'acme'" in done.err
    assert ROLE in done.err
    assert not _trail(shell)


def test_each_uri_that_can_t_be_signed_is_told_and_then_none_is(customer: Customer, shell: Shell) -> None:
    shell.add_role()
    uris = ["s3://acme/ok", "s3://acme/", "s3://elsewhere/x", "s3://acme"]
    done = shell.longshore("presign", *uris, "--connection", "acme")
    assert (done.code, done.out) == (1, "")
    told = [line for line in done.err.splitlines() if line.startswith("error: URI")]
    assert [line.split(" ")[2] for line in told] == ["2", "3", "4"]
    assert "does not permit s3://elsewhere/x" in told[1]
    assert "is for one object" in told[2]
    done = shell.longshore("presign", "s3://acme/ok", "https://acme.s3.amazonaws.com/x", "--connection", "acme")
    assert (done.code, done.out) == (1, "")
    assert "error: URI 2 (https://acme.s3.amazonaws.com/x): " in done.err
    assert not customer.seen()
    assert not customer.assumed()


def test_uris_are_read_from_standard_input_and_answered_batch_by_batch(customer: Customer, shell: Shell) -> None:
    shell.environment["LONGSHORE_LIMITS__PRESIGN_BATCH"] = "10"
    keys = {f"k {number:02d} ": str(number) for number in range(25)}
    customer.bucket("acme", keys)
    given = "".join(f"s3://acme/{key}\n" for key in keys)
    urls = shell.ok("presign", "--stdin", stdin=given).out.splitlines()
    assert [_opened(url)[1] for url in urls] == list(keys.values())
    assert [line["count"] for line in _trail(shell)] == [10, 10, 5]
    done = shell.longshore("presign", "--stdin", stdin=given + "s3://acme\n")
    assert (done.code, len(done.out.splitlines())) == (1, 20)
    assert "URI 26 (s3://acme)" in done.err
    assert "20 before" in done.err


def test_a_key_that_no_browser_can_ask_for_is_signed_with_a_warning(shell: Shell) -> None:
    done = shell.ok("presign", "s3://acme/a/../b", "s3://acme/a")
    assert len(done.out.splitlines()) == 2
    assert "URI 1 (s3://acme/a/../b): browsers take '.' and '..' out" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("s3://acme/a", "--stdin"),
        ("s3://acme/a", "--filename", "x", "--download"),
        ("s3://acme/a", "s3://acme/b", "--version-id", "v"),
        ("--stdin", "--filename", "x"),
        ("s3://acme/a", "--expires", "0"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_opened(shell: Shell, arguments: tuple[str, ...]) -> None:
    done = shell.longshore("presign", *arguments)
    assert (done.code, done.out) == (2, "")
    assert not shell.catalog.exists()
