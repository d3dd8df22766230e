"""Every kind of connection on the command line: made, used, or refused in words that say what to type."""

from __future__ import annotations

import base64
import os
from typing import Final

import pytest

from tests.acceptance.shell import ROLE, Customer, Shell

OBJECTS: Final = {"a/1.txt": "one", "b/2.txt": "two"}
KEY_ID: Final = "AKIAFAKECUSTOMER0001"
SECRET: Final = "canary/Wq7+secret/that/no/one/may/see/01"
KMS: Final = "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
AS_ROLE: Final = ("--role-arn", ROLE, "--external-id", "ext-1")


@pytest.fixture(autouse=True)
def _seals(shell: Shell) -> None:
    shell.environment["LONGSHORE_SECRET_KEYS"] = f"k1:{base64.b64encode(os.urandom(32)).decode()}"
    shell.environment["LONGSHORE_SECRET_REFERENCES"] = "env://ACME_"


def _refused(shell: Shell, *arguments: str, code: int = 1, stdin: str = "") -> str:
    done = shell.longshore("connections", *arguments, stdin=stdin)
    assert (done.code, done.out) == (code, ""), done
    return done.err


@pytest.mark.acceptance("CO-04", "IN-02")
def test_a_role_and_an_access_key_each_ingest_a_bucket(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", OBJECTS)
    customer.role("ext-1")
    customer.tell("keys", access_key_id=KEY_ID, secret=SECRET)
    shell.ok("connections", "add", "role", *AS_ROLE, "--allow", "s3://acme")
    key = ("--access-key-id", KEY_ID, "--secret-stdin", "--allow", "s3://acme")
    shell.ok("connections", "add", "keys", *key, stdin=f"{SECRET}\n")
    for name in ("role", "keys"):
        assert shell.ok("ingest", "s3://acme", "--connection", name, "--json").json["added"] == 2
    kinds = {one["name"]: one["kind"] for one in shell.ok("connections", "list", "--json").lines}
    assert kinds == {"default": "default", "role": "aws_role", "keys": "aws_keys"}


@pytest.mark.acceptance("CO-04")
@pytest.mark.parametrize(
    ("login", "kind", "variable"),
    [
        (("--username", "longshore"), "https_basic", "LONGSHORE_PASSWORD"),
        (("--bearer",), "https_bearer", "LONGSHORE_TOKEN"),
        (("--kind", "https_bearer"), "https_bearer", "LONGSHORE_TOKEN"),
    ],
)
def test_the_login_of_an_https_server_is_kept_and_reads_no_buckets(
    customer: Customer, shell: Shell, login: tuple[str, ...], kind: str, variable: str
) -> None:
    place = ("--allow", "https://files.acme.example/media/")
    shell.ok("connections", "add", "one", *login, *place, "--secret-stdin", stdin="canary-123\n")
    shell.environment[variable] = "canary-456"
    shell.ok("connections", "add", "two", *login, *place, "--test-location", "https://files.acme.example/media/a.jpg")
    for name in ("one", "two"):
        shown = shell.ok("connections", "show", name, "--json")
        assert (shown.json["kind"], shown.json["allow"]) == (kind, ["https://files.acme.example/media/"])
        assert "canary" not in shown.out + shell.ok("connections", "show", name).out
        done = shell.longshore("ingest", "s3://acme", "--connection", name)
        assert (done.code, "is for HTTPS servers, and reads no buckets" in done.err) == (1, True)
    assert not customer.seen()
    assert b"canary" not in shell.catalog.read_bytes()


@pytest.mark.acceptance("CO-04")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ("--allow", "s3://acme"),
            2,
            "say how it reads: give --role-arn, --role, --access-key-id, --username or --bearer",
        ),
        ((*AS_ROLE, "--bearer", "--allow", "s3://acme"), 2, "--role-arn and --bearer make two kinds of connection"),
        (("--kind", "aws_keys", *AS_ROLE), 2, "--role-arn makes it a connection of kind aws_role, not aws_keys"),
        (("--kind", "aws_role", "--allow", "s3://acme"), 1, "--role-arn: is needed"),
        ((*AS_ROLE, "--no-external-id", "--allow", "s3://acme"), 2, "give either --external-id or --no-external-id"),
        (
            (*AS_ROLE, "--endpoint", "https://a.example", "--allow", "s3://acme"),
            1,
            "--endpoint: this kind of connection",
        ),
        (("--role", "nobody", "--allow", "s3://acme"), 1, "there is no role 'nobody' in workspace 'main'"),
        (
            ("--bearer", "--secret-from", "vault://x", "--allow", "https://a.example/"),
            1,
            "--secret-from: a secret that",
        ),
        (
            ("--bearer", "--secret-from", "env://ACME_X", "--secret-stdin"),
            2,
            "give either --secret-stdin or --secret-from",
        ),
        (("--bearer", "--secret-from", "env://ACME_X"), 1, "--allow: is needed"),
        (
            ("--bearer", "--secret-from", "env://ACME_X", "--allow", "http://a.example/"),
            1,
            "--allow: an address is typed as",
        ),
        (
            ("--bearer", "--secret-from", "env://ACME_X", "--allow", "https://a.example/x"),
            1,
            "type https://a.example/x/",
        ),
        (
            ("--username", "a:b", "--secret-from", "env://ACME_X", "--allow", "https://a.example/"),
            1,
            "--username: a user's",
        ),
    ],
)
def test_what_does_not_fit_together_is_told_by_what_was_typed(
    shell: Shell, arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert said in _refused(shell, "add", "acme", *arguments, code=code)
    assert [one["name"] for one in shell.ok("connections", "list", "--json").lines] == ["default"]


@pytest.mark.parametrize(
    ("login", "what"),
    [
        (("--access-key-id", KEY_ID), "the secret access key is needed"),
        (("--username", "longshore"), "the password is needed"),
        (("--bearer",), "the token is needed"),
    ],
)
def test_a_secret_that_nobody_gave_is_called_by_its_name(shell: Shell, login: tuple[str, ...], what: str) -> None:
    assert what in _refused(shell, "add", "acme", *login, "--allow", "s3://acme", code=2)


@pytest.mark.acceptance("CO-16")
@pytest.mark.parametrize("role", ["x", "Anything.At-All_+=,@", "team/a/b/Reader"])
def test_a_role_may_have_any_name(customer: Customer, shell: Shell, role: str) -> None:
    customer.bucket("acme", OBJECTS)
    arn = f"arn:aws:iam::444455556666:role/{role}"
    customer.tell("role", arn=arn, external_id="ext-1")
    shell.ok("connections", "add", "acme", "--role-arn", arn, "--external-id", "ext-1", "--allow", "s3://acme")
    assert shell.ok("ingest", "s3://acme", "--connection", "acme", "--json").json["added"] == 2


@pytest.mark.acceptance("CO-19", "CO-20")
def test_a_role_for_bedrock_has_no_buckets_and_a_job_on_it_is_refused(customer: Customer, shell: Shell) -> None:
    shell.ok("connections", "add", "s3", *AS_ROLE, "--allow", "s3://acme")
    assert shell.ok("connections", "show", "s3", "--json").json["scope"] == "s3"
    assert "--allow: name at least one place" in _refused(shell, "add", "x", *AS_ROLE)
    assert "--allow: places, test locations and output are for the scope s3" in _refused(
        shell, "add", "x", *AS_ROLE, "--scope", "bedrock", "--allow", "s3://acme"
    )
    shell.ok("connections", "add", "models", *AS_ROLE, "--scope", "bedrock")
    assert "Bedrock" in shell.ok("connections", "list").out
    for command in ("ingest", "submit"):
        done = shell.longshore(command, "s3://acme", "--connection", "models")
        assert done.code == 1
        assert "connection 'models' is for Bedrock, and reads no buckets" in done.err
    assert not customer.seen()
    assert not customer.tell("calls")


@pytest.mark.acceptance("CO-22")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--test-location", "s3://acme/a/1.txt"), None),
        (("--test-location", "s3://acme/a/"), None),
        (("--test-location", "s3://acme/b/2.txt"), "--test-location: the test location lies outside of the places"),
        (("--test-location", "s3://acme"), "--test-location: type one object of the bucket as s3://bucket/key"),
        (("--test-location", "a/1.txt"), "--test-location: type one object of the bucket as s3://bucket/key"),
        (("--test-location", "https://acme.example/a"), "--test-location: type one object of the bucket"),
        (("--scope", "bedrock", "--test-location", "s3://acme/a"), "test locations and output are for the scope s3"),
    ],
)
def test_a_test_location_is_one_object_or_folder_of_what_is_allowed(
    shell: Shell, more: tuple[str, ...], said: str | None
) -> None:
    allow = () if "bedrock" in more else ("--allow", "s3://acme/a/")
    if said is not None:
        assert said in _refused(shell, "add", "acme", *AS_ROLE, *allow, *more)
        return
    shell.ok("connections", "add", "acme", *AS_ROLE, *allow, *more)
    assert shell.ok("connections", "show", "acme", "--json").json["test_location"] == more[1]


@pytest.mark.acceptance("IN-07")
@pytest.mark.parametrize(
    ("typed", "instead"),
    [
        ("arn:aws:s3:::acme", "that is an ARN; type the place as s3://acme"),
        ("arn:aws:s3:::acme/in/*", "that is an ARN; type the place as s3://acme/in/"),
        ("https://acme.s3.eu-west-1.amazonaws.com/in/a.jpg", "that is a URL; type the place as s3://acme/in/"),
        ("https://s3.amazonaws.com/acme", "that is a URL; type the place as s3://acme"),
        ("acme", "type the place as s3://acme or s3://acme/prefix/"),
        ("s3://acme/in", "a prefix ends with a slash: type s3://acme/in/"),
        ("s3://acme/in/*", "type s3://acme/in/"),
    ],
)
def test_a_bucket_is_named_and_anything_else_is_answered_with_what_to_type(
    shell: Shell, typed: str, instead: str
) -> None:
    for option in ("--allow", "--output"):
        allowed = () if option == "--allow" else ("--allow", "s3://acme")
        said = _refused(shell, "add", "acme", *AS_ROLE, *allowed, option, typed)
        assert f"{option}: " in said
        assert instead in said


@pytest.mark.acceptance("IN-07")
def test_a_key_for_output_is_asked_for_with_sse_kms_only(shell: Shell) -> None:
    out = ("--allow", "s3://acme", "--output", "s3://acme/out/")
    assert "--output-kms-key: is needed with sse-kms" in _refused(shell, "add", "a", *AS_ROLE, *out, "--sse", "sse-kms")
    assert "--output-kms-key: a key is for sse-kms only" in _refused(
        shell, "add", "a", *AS_ROLE, *out, "--output-kms-key", KMS
    )
    shell.ok("connections", "add", "acme", *AS_ROLE, *out, "--sse", "sse-kms", "--output-kms-key", KMS)
    shown = shell.ok("connections", "show", "acme", "--json").json
    assert (shown["output"], shown["sse"], shown["kms_key_arn"]) == ("s3://acme/out/", "sse-kms", KMS)
    shell.ok("connections", "update", "acme", "--sse", "sse-s3", "--output-kms-key", "")
    shell.ok("connections", "update", "acme", "--sse", "none", "--output", "")
    shown = shell.ok("connections", "show", "acme", "--json").json
    assert (shown["output"], shown["sse"], shown["kms_key_arn"]) == (None, "none", None)


def test_endpoints_are_for_access_keys_and_the_operator_to_allow(shell: Shell) -> None:
    key = ("--access-key-id", KEY_ID, "--secret-from", "env://ACME_SECRET", "--allow", "s3://acme")
    elsewhere = ("--endpoint", "https://minio.acme.example", "--path-style")
    assert "--endpoint: " in _refused(shell, "add", "mini", *key, *elsewhere)
    assert "for an endpoint of its own only" in _refused(shell, "add", "mini", *key, "--path-style")
    shell.environment["LONGSHORE_ENDPOINTS"] = "https://minio.acme.example"
    shell.ok("connections", "add", "mini", *key, *elsewhere)
    shown = shell.ok("connections", "show", "mini", "--json").json
    assert (shown["endpoint"], shown["path_style"]) == ("https://minio.acme.example", True)
    alone = _refused(shell, "update", "mini", "--endpoint", "")
    assert "another server is another access: give the secret for it, too" in alone
    shell.ok("connections", "update", "mini", "--endpoint", "", "--secret-from", "env://ACME_SECRET")
    shown = shell.ok("connections", "show", "mini", "--json").json
    assert (shown["endpoint"], shown["path_style"]) == (None, None)
