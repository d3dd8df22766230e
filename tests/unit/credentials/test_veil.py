"""What a workspace reads about another one's connection: enough to use it, and nothing of who its owner is to the storage."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

import pytest

from config.database import Database
from config.errors import AccessDeniedError, ConnectionRuleError
from credentials.audit import Audit
from credentials.connection import Connection
from credentials.kinds import parse_kept
from credentials.roles import Roles
from credentials.veil import veiled
from tests.postgres import Kind
from tests.unit.credentials.connections import A_ROLE, BY_ALICE, ROLE, a_catalog, a_registry, settings_of

BY_BOB: Final = {"workspace": "blue", "actor": "bob"}
SHARED: Final = {"audience": "organisation"}


@pytest.fixture
async def database(tmp_path: Path, kind: Kind) -> AsyncGenerator[Database]:
    async with a_catalog(tmp_path, kind) as opened:
        yield opened


def _shared_with_blue(spec: dict[str, Any]) -> Connection:
    return Connection(
        id="c" * 32,
        workspace="blue",
        owner="main",
        kept_id="d" * 32,
        spec=parse_kept(spec),
        version=1,
        created_at=1,
        updated_at=1,
    )


@pytest.mark.acceptance("IN-05")
@pytest.mark.parametrize(
    ("spec", "said", "shown"),
    [
        (
            A_ROLE,
            f"User: {ROLE.replace('iam', 'sts').replace('role/', 'assumed-role/')}/run may not; ext-1 of longshore-reader",
            "User: *** may not; *** of ***",
        ),
        (
            {"kind": "aws_keys", "name": "keys", "access_key_id": "minio", "allow": ["s3://acme"]},
            "the key minio (…inio) of minio.acme.example is refused, says minio.",
            "the key *** (***) of minio.acme.example is refused, says ***.",
        ),
        (
            A_ROLE | {"kms_keys": ["arn:aws:kms:eu-west-1:777788889999:key/1234abcd-12ab-34cd-56ef-1234567890ab"]},
            "a...-west-1:777788889999:key/1234abcd-12ab-34cd-56ef-1234567890ab is disabled",
            "a...-west-1:***:*** is disabled",
        ),
    ],
)
def test_what_a_workspace_reads_of_anothers_connection_is_veiled(spec: dict[str, Any], said: str, shown: str) -> None:
    error = veiled(AccessDeniedError(said, code="AccessDenied", status=403), _shared_with_blue(spec))
    assert error.message == f"{shown} (workspace 'main', whose it is, sees more)"
    assert (type(error), error.code, error.fields["status"]) == (AccessDeniedError, "AccessDenied", 403)


@pytest.mark.acceptance("IN-05")
def test_neither_accounts_nor_keys_of_anothers_connection_are_described() -> None:
    key = "arn:aws:kms:eu-west-1:777788889999:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    fields = {"expected_owner": "777788889999", "kms_keys": [key], "output": "s3://out/", "sse": "sse-kms"}
    described = _shared_with_blue(A_ROLE | fields | {"kms_key_arn": key}).describe()
    assert "777788889999" not in json.dumps(described)
    assert ROLE not in json.dumps(described)


@pytest.mark.acceptance("IN-05")
async def test_an_open_role_serves_no_organisation(database: Database) -> None:
    registry = a_registry(database)
    with pytest.raises(ConnectionRuleError, match="needs an external ID"):
        await registry.create(A_ROLE | SHARED | {"external_id": None}, **BY_ALICE)
    await registry.create(A_ROLE | {"external_id": None}, **BY_ALICE)
    with pytest.raises(ConnectionRuleError, match="needs an external ID"):
        await registry.update("acme", SHARED, **BY_ALICE)


@pytest.mark.acceptance("IN-10", "IN-13")
async def test_the_audit_of_a_workspace_holds_nothing_of_anothers_role(database: Database) -> None:
    roles = Roles(database=database, settings=settings_of(), workspace="main")
    await roles.add({"name": "reader", "role_arn": ROLE, "external_id": "mains-id"} | SHARED, actor="alice")
    registry = a_registry(database)
    await registry.create({"kind": "aws_role", "name": "x", "role": "reader", "allow": ["s3://acme"]}, **BY_BOB)
    await registry.update("x", {"versions": True}, **BY_BOB)
    await registry.remove("x", **BY_BOB)
    lines = await Audit(database=database, workspace="blue").lines(limit=10)
    assert [line.action for line in lines] == ["created", "updated", "removed"]
    assert not [line for line in lines if "mains-id" in json.dumps(line.detail) or ROLE in json.dumps(line.detail)]
