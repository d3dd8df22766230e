"""`longshore policy`: the document alone on standard output, its external ID issued once, and what each kind of connection has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from config.settings import Settings
from tests.acceptance.shell import Done, Shell
from tests.unit.credentials.policies import templates
from tests.unit.credentials.policies.setups import CUSTOMER, KEY, US
from worker.service import open_service

READER = "arn:aws:iam::111122223333:role/longshore-reader"
Say = Callable[..., Done]


def external_id(done: Done) -> str:
    found: str = done.json["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"]
    return found


def add(shell: Shell, *arguments: str) -> None:
    shell.ok("connections", "add", "acme", "--role-arn", CUSTOMER, "--allow", "s3://acme-photos/2026/", *arguments)


@pytest.mark.acceptance("CO-15", "KO-10")
def test_an_external_id_is_issued_once_for_each_name_and_is_that_of_the_connection(shell: Shell) -> None:
    first = shell.ok("policy", "trust", "acme")
    assert first.json["Statement"][0]["Principal"] == {"AWS": US}
    assert external_id(first) == external_id(shell.ok("policy", "trust", "acme", "--session-tags"))
    assert external_id(first) != external_id(shell.ok("policy", "trust", "other"))
    assert external_id(first) != external_id(shell.ok("policy", "trust", "acme", "--kept-role"))
    assert "then:  longshore connections add acme --role-arn ARN-OF-THE-ROLE" in first.err
    add(shell)
    assert shell.ok("connections", "show", "acme", "--json").json["external_id"] == external_id(first)
    again = shell.ok("policy", "trust", "acme")
    assert external_id(again) == external_id(first)
    assert "longshore connections test acme" in again.err


@pytest.mark.acceptance("CO-12", "CO-10", "KO-09")
def test_a_connection_to_come_says_its_places_and_the_document_stands_alone(shell: Shell) -> None:
    done = shell.ok("policy", "access", "acme", "--allow", "s3://acme-photos/2026/", "--versions", "--kms-key", KEY)
    listing, reading, decrypting = done.json["Statement"]
    assert listing["Action"] == ["s3:ListBucket", "s3:ListBucketVersions"]
    assert reading["Resource"] == "arn:aws:s3:::acme-photos/2026/*"
    assert decrypting["Resource"] == KEY
    assert "suggested policy name  longshore-acme-read\n" in done.err
    assert (
        "suggested description  Lets longshore (acme) list and read, never change, s3://acme-photos/2026/\n" in done.err
    )


def test_a_connection_that_exists_says_its_places_itself_unless_others_are_typed(shell: Shell) -> None:
    add(shell)
    own = shell.ok("policy", "access", "acme").json
    assert own["Statement"][1]["Resource"] == "arn:aws:s3:::acme-photos/2026/*"
    typed = shell.ok("policy", "access", "acme", "--allow", "s3://other").json
    assert typed["Statement"][1]["Resource"] == "arn:aws:s3:::other/*"
    assert shell.ok("policy", "bucket", "acme").json["Statement"][0]["Principal"] == {"AWS": CUSTOMER}
    assert shell.ok("policy", "kms", "acme", "--kms-key", KEY).json["Principal"] == {"AWS": CUSTOMER}


@pytest.mark.acceptance("IN-11", "IN-12", "CG-04", "CG-05")
def test_templates_and_commands_hold_the_same_documents(shell: Shell, tmp_path: Path) -> None:
    places = ("--allow", "s3://acme-photos/2026/", "--allow", "s3://acme-video")
    alone = (shell.ok("policy", "trust", "acme").json, shell.ok("policy", "access", "acme", *places).json)
    made = shell.ok("policy", "cloudformation", "acme", *places)
    for read in (
        templates.cloudformation(made.out),
        templates.cloudformation(shell.ok("policy", "cloudformation", "acme", *places, "--format", "json").out),
        templates.terraform(shell.ok("policy", "terraform", "acme", *places).out),
    ):
        assert (read.trust, read.access) == alone
    script = shell.ok("policy", "commands", "acme", *places).out
    assert tuple(document for _, document in templates.shell(script, answers={}, directory=tmp_path))[:2] == alone
    assert "aws cloudformation deploy --template-file longshore-acme.yaml" in made.err
    assert "quick" not in made.err
    linked = shell.ok(
        "policy", "cloudformation", "acme", *places, "--template-url", "https://s3.amazonaws.com/ours/t.yaml"
    )
    assert (
        "https://us-east-1.console.aws.amazon.com/cloudformation/home?region=us-east-1#/stacks/create/review?"
        in linked.err
    )


def test_the_built_in_connection_is_let_in_by_the_bucket(shell: Shell) -> None:
    plain = shell.ok("policy", "bucket", "default", "--allow", "s3://acme-photos")
    assert {statement["Principal"]["AWS"] for statement in plain.json["Statement"]} == {US}
    assert "warning: no LONGSHORE_READER_ROLE is set" in plain.err
    shell.environment |= {"LONGSHORE_READER_ROLE": READER}
    seen = set()
    for workspace in ("main", "beta"):
        shell.environment |= {"LONGSHORE_WORKSPACE": workspace}
        for statement in shell.ok("policy", "bucket", "default", "--allow", "s3://acme-photos").json["Statement"]:
            assert statement["Principal"] == {"AWS": READER}
            seen.add(statement["Condition"]["StringEquals"]["aws:PrincipalTag/longshore-workspace"])
    assert len(seen) == 2, "one for each workspace"
    assert "s3api put-bucket-policy" in shell.ok("policy", "commands", "default", "--allow", "s3://acme-photos").out
    ours = shell.ok("policy", "access", "default", "--allow", "s3://acme-photos")
    assert "our own reader role" in ours.err
    del shell.environment["LONGSHORE_READER_ROLE"]
    refused = shell.longshore("policy", "trust", "default")
    assert (refused.code, refused.out) == (1, "")
    assert "needs no role of the customer's: see `longshore policy bucket default --allow s3://bucket`" in refused.err


def test_a_role_that_does_not_exist_yet_is_named_in_capitals(shell: Shell) -> None:
    done = shell.ok("policy", "kms", "acme", "--kms-key", KEY, "--role-name", "Theirs")
    assert done.json["Principal"] == {"AWS": "arn:aws:iam::ACCOUNT-ID:role/Theirs"}
    assert "warning: replace arn:aws:iam::ACCOUNT-ID:role/Theirs" in done.err


def test_without_an_external_id_it_is_said_what_that_means(shell: Shell) -> None:
    done = shell.ok("policy", "trust", "acme", "--no-external-id")
    assert "Condition" not in done.json["Statement"][0]
    assert "warning: this lets our role in without an external ID" in done.err
    assert "connections add acme --role-arn ARN-OF-THE-ROLE --allow s3://bucket --no-external-id" in done.err


def test_a_connection_without_an_external_id_is_shown_the_way_to_one(shell: Shell) -> None:
    add(shell, "--no-external-id")
    done = shell.ok("policy", "trust", "acme")
    assert f"longshore connections update acme --external-id {external_id(done)}" in done.err
    shell.ok("connections", "update", "acme", "--external-id", external_id(done))
    assert external_id(shell.ok("policy", "trust", "acme")) == external_id(done)


@pytest.mark.parametrize(
    ("document", "works"),
    [("access", True), ("trust", False), ("bucket", False), ("commands", False), ("terraform", False)],
)
def test_a_user_with_a_key_needs_permissions_and_no_trust(document: str, works: bool, shell: Shell) -> None:
    shell.environment |= {"LONGSHORE_SECRET_KEYS": "a:" + "A" * 43 + "=", "LONGSHORE_SECRET_ACCESS_KEY": "s" * 40}
    shell.ok("connections", "add", "acme", "--access-key-id", "AKIAEXAMPLE", "--allow", "s3://acme-photos")
    done = shell.longshore("policy", document, "acme")
    assert (done.code == 0) is works
    assert works or "longshore policy access" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["access", "acme"], "give each with --allow"),
        (["access", "Acme", "--allow", "s3://acme-photos"], "lower-case letters"),
        (["access", "acme", "--allow", "acme-photos"], "type the place as s3://acme-photos"),
        (["access", "acme", "--allow", "s3://acme-photos", "--output", "acme"], "a place can't be used"),
        (["bucket", "acme", "--allow", "s3://acme-photos", "--allow", "s3://acme-video"], "ask for one at a time"),
        (["kms", "acme"], "name the key with --kms-key"),
        (["cors", "acme", "--origin", "*"], "any page at all"),
        (["cors", "acme"], "name the page"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_what_can_not_be_written_says_what_to_type_and_prints_nothing(
    arguments: list[str], said: str, shell: Shell
) -> None:
    done = shell.longshore("policy", *arguments)
    assert (done.code, done.out) == (1, "")
    assert said in done.err


@pytest.mark.acceptance("KO-12")
def test_cors_names_the_pages(shell: Shell) -> None:
    found: Any = shell.ok("policy", "cors", "acme", "--origin", "https://app.example.com").json
    assert [rule["AllowedOrigins"] for rule in found] == [["https://app.example.com"]]


def test_what_names_nobody_needs_no_identity_and_what_does_says_how(shell: Shell) -> None:
    del shell.environment["LONGSHORE_PRINCIPAL_ARN"]
    shell.ok("policy", "access", "acme", "--allow", "s3://acme-photos")
    shell.ok("policy", "kms", "acme", "--kms-key", KEY)
    done = shell.longshore("policy", "trust", "acme")
    assert (done.code, done.out) == (1, "")
    assert "set LONGSHORE_PRINCIPAL_ARN" in done.err


def create(shell: Shell, **fields: Any) -> None:
    """A connection of whatever kind, as the registry makes it."""

    async def made() -> None:
        url = shell.environment["LONGSHORE_CATALOG_URL"]
        settings = Settings(catalog_url=url, secret_keys=SecretStr("a:" + "A" * 43 + "="))
        async with open_service(settings, observe=lambda _event: None) as service:
            await service.registry.create(fields, workspace="main", actor="test")

    asyncio.run(made())


def test_another_workspaces_connection_is_its_own_affair(shell: Shell) -> None:
    """One that it may use, and one of which it knows nothing."""
    add(shell)
    create(shell, kind="aws_role", name="ours", role_arn=CUSTOMER, allow=["s3://acme-photos"], audience="organisation")
    shell.environment |= {"LONGSHORE_WORKSPACE": "beta"}
    done = shell.longshore("policy", "access", "ours")
    assert (done.code, done.out) == (1, "")
    assert "belongs to workspace 'main'" in done.err
    assert shell.ok("policy", "access", "acme", "--allow", "s3://b-photos").json, "there it is a name like any other"


@pytest.mark.parametrize(
    ("audience", "place"),
    [("workspace", "ours/copies/main/acme/@2026/*"), ("organisation", "ours/copies/*")],
)
def test_copies_land_in_the_workspaces_own_place_or_in_that_of_each_that_uses_the_role(
    shell: Shell, audience: str, place: str
) -> None:
    shell.environment |= {"LONGSHORE_COPY_TARGETS": "s3://ours/copies/"}
    create(shell, kind="aws_role", name="acme", role_arn=CUSTOMER, allow=["s3://acme-photos"], audience=audience)
    printed = shell.ok("policy", "access", "acme", "--copy-to", "s3://ours/copies/2026/")
    [copies] = [one for one in printed.json["Statement"] if one["Sid"] == "CopyObjects"]
    assert copies["Resource"] == f"arn:aws:s3:::{place}"
    other = shell.ok("policy", "access", "acme", "--copy-to", "s3://ours/elsewhere/")
    assert "note: no job copies there so far" in other.err


def test_an_https_server_has_no_policies(shell: Shell) -> None:
    create(shell, kind="https_bearer", name="web", token="t" * 20, allow=["https://files.example.com/a/"])
    done = shell.longshore("policy", "access", "web")
    assert (done.code, done.out) == (1, "")
    assert "AWS has no part in it" in done.err


def test_what_a_connection_wants_is_what_its_policy_asks_for(shell: Shell) -> None:
    wants = {"versions": True, "tags": True, "kms_keys": [KEY], "session_tags": True, "output": "s3://acme-out/"}
    create(shell, kind="aws_role", name="acme", role_arn=CUSTOMER, allow=["s3://acme-photos"], **wants)
    done = shell.ok("policy", "access", "acme")
    actions = json.dumps([statement["Action"] for statement in done.json["Statement"]])
    for action in ("s3:GetObjectVersionTagging", "s3:ListBucketVersions", "kms:Decrypt", "s3:PutObject"):
        assert action in actions
    assert "longshore policy kms acme" in done.err
    assert len(shell.ok("policy", "trust", "acme").json["Statement"]) == 2
    create(shell, kind="aws_role", name="mind", role_arn=CUSTOMER, scope="bedrock")
    assert shell.ok("policy", "access", "mind").json["Statement"][0]["Sid"] == "InvokeModels"


def test_a_command_to_type_next_is_quoted_for_a_shell(shell: Shell) -> None:
    said = shell.ok("policy", "terraform", "acme", "--allow", "s3://acme-photos/it's $here/").err
    assert """--allow 's3://acme-photos/it'"'"'s $here/'""" in said


def _spoken(code: str) -> str:
    """A policy and CORS rules that hold the words of AWS's error."""
    policy = {"Version": "2012-10-17", "Statement": [{"Sid": code, "Effect": "Deny", "Principal": "*"}]}
    return json.dumps({"Policy": json.dumps(policy), "CORSRules": [{"ID": code}]})


@pytest.mark.parametrize(
    ("found", "answers", "put"),
    [
        (_spoken("NoSuchBucketPolicy"), None, False),
        (_spoken("NoSuchBucketPolicy").replace(", ", ",\n"), None, False),
        (_spoken("Other"), None, False),
        (None, "An error occurred (AccessDenied) when calling the GetBucketPolicy operation: Access Denied", False),
        (
            None,
            "An error occurred (NoSuchBucketPolicy) when calling the GetBucketPolicy operation: The bucket policy does not exist",
            True,
        ),
    ],
    ids=["has the error's words", "on a line of their own", "has one", "denied", "has none"],
)
def test_the_commands_replace_no_policy_of_a_bucket_whatever_that_says(
    shell: Shell, tmp_path: Path, found: str | None, answers: str | None, put: bool
) -> None:
    """A Sid that is named like the error that there is none is part of a policy."""
    script = shell.ok("policy", "commands", "default", "--allow", "s3://acme-photos").out
    calls = templates.shell(
        script,
        answers={"get-bucket-policy": answers} if answers else {},
        found={"get-bucket-policy": found} if found else None,
        directory=tmp_path,
    )
    assert [call[:2] for call, _ in calls] == ([["s3api", "put-bucket-policy"]] if put else [])


def test_the_commands_replace_no_cors_rules_of_a_bucket_whatever_those_say(shell: Shell, tmp_path: Path) -> None:
    origin = ("--origin", "https://app.example.com")
    script = shell.ok("policy", "commands", "acme", "--allow", "s3://acme-photos", *origin).out
    found = {"get-bucket-cors": _spoken("NoSuchCORSConfiguration")}
    calls = templates.shell(script, answers={}, found=found, directory=tmp_path)
    assert "put-bucket-cors" not in [call[1] for call, _ in calls]
