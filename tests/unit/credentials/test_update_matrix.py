"""Which field of which kind may change: a table, and each cell of it tried."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

import pytest

from config.errors import ConnectionRuleError, ConnectionSetupError
from credentials.registry import Registry
from tests.unit.credentials.connections import A_KEY, A_ROLE, BY_ALICE, KEY_ID, a_catalog, a_registry, settings_of

KMS = "arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
NEW: Final[dict[str, dict[str, Any]]] = {
    "aws_role": A_ROLE | {"output": "s3://acme/out/"},
    "aws_keys": A_KEY | {"output": "s3://acme/out/", "endpoint": "https://s3.acme.example"},
    "https_basic": {
        "kind": "https_basic",
        "name": "files",
        "username": "longshore",
        "password": "correct horse",
        "allow": ["https://files.acme.example/"],
    },
    "https_bearer": {
        "kind": "https_bearer",
        "name": "api",
        "token": "abc.def",
        "allow": ["https://files.acme.example/"],
    },
}
TRIED: Final[dict[str, Any]] = {
    "name": "other",
    "kind": "default",
    "role_arn": "arn:aws:iam::111122223333:role/x",
    "role": "kept",
    "scope": "bedrock",
    "username": "somebody-else",
    "audience": "organisation",
    "external_id": "ext-2",
    "session_ttl_s": 900,
    "session_tags": True,
    "region": "eu-west-1",
    "requester_pays": True,
    "expected_owner": "444455556666",
    "versions": True,
    "tags": True,
    "kms_keys": [KMS],
    "output": "s3://acme/results/",
    "sse": "sse-s3",
    "endpoint": "https://minio.acme.example",
    "path_style": True,
    "access_key_id": "AKIAANOTHERKEY000002",
    "secret_access_key": "another/secret/of/the/same/user/here/002",
    "password": "battery staple",
    "token": "ghi.jkl",
    "secret_from": "env://ELSEWHERE",
}
FIXED: Final = ("name", "kind", "role_arn", "role", "scope", "username")
_BUCKETS: Final = frozenset(
    {
        *("audience", "region", "requester_pays", "expected_owner", "versions", "tags", "kms_keys", "output", "sse"),
        *("allow", "test_location"),
    }
)
CHANGEABLE: Final = {
    "aws_role": _BUCKETS | {"external_id", "session_ttl_s", "session_tags"},
    "aws_keys": _BUCKETS | {"endpoint", "path_style", "access_key_id", "secret_access_key", "secret_from"},
    "https_basic": {"audience", "allow", "test_location", "password", "secret_from"},
    "https_bearer": {"audience", "allow", "test_location", "token", "secret_from"},
}
"""The table of docs/connections.md."""
_ANOTHER: Final = {"secret_access_key": "another/secret/of/the/same/user/here/002"}
WITH: Final = {"access_key_id": _ANOTHER, "endpoint": _ANOTHER}
"""What must come with it."""

ROWS: Final = {
    "name, kind": ("name", "kind"),
    "role, scope": ("role_arn", "role", "scope"),
    "user": ("username",),
    "places, test location": ("allow", "test_location"),
    "audience": ("audience",),
    "external ID, session TTL, session tags": ("external_id", "session_ttl_s", "session_tags"),
    "access key, with its secret": ("access_key_id",),
    "secret: kept here or elsewhere": ("secret_from",),
    "endpoint (with the secret), path style": ("endpoint", "path_style"),
    "region, expected owner, requester pays, versions, tags, keys, output, encryption": (
        *("region", "expected_owner", "requester_pays", "versions", "tags", "kms_keys", "output", "sse"),
    ),
}
"""What stands in the first column of the page, field by field."""


def test_the_page_says_the_same() -> None:
    lines = (Path(__file__).parents[3] / "docs" / "connections.md").read_text().splitlines()
    titles = next(line for line in lines if line.startswith("| | `aws_role`"))
    kinds = [cell.strip(" `") for cell in titles.split("|")[2:-1]]
    found = [line for line in lines if line[2:].split(" |")[0] in ROWS]
    assert len(found) == len(ROWS)
    for line in found:
        label, *cells = (cell.strip() for cell in line.split("|")[1:-1])
        for kind, cell in zip(kinds, cells, strict=True):
            changes = {field in CHANGEABLE.get(kind, set()) for field in ROWS[label]}
            assert changes == {cell not in ("no", "-")}, (label, kind)


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncGenerator[Registry]:
    async with a_catalog(tmp_path) as database:
        allowed = ("https://s3.acme.example", "https://minio.acme.example")
        yield a_registry(database, settings_of(endpoints=allowed))


def _tried(kind: str, field: str) -> Any:
    if field == "allow":
        return ["s3://acme/b/", "s3://acme/out/"] if kind.startswith("aws") else ["https://files.acme.example/b/"]
    if field == "test_location":
        return "s3://acme/a.jpg" if kind.startswith("aws") else "https://files.acme.example/a"
    return TRIED[field]


@pytest.mark.acceptance("IN-14", "IN-16")
@pytest.mark.parametrize("kind", NEW)
@pytest.mark.parametrize("field", [*TRIED, "allow", "test_location"])
async def test_each_field_of_each_kind_changes_or_is_refused_by_its_name(
    registry: Registry, kind: str, field: str
) -> None:
    before = await registry.create(NEW[kind], **BY_ALICE)
    changes = {field: _tried(kind, field)} | WITH.get(field, {})
    if field in CHANGEABLE[kind]:
        after = await registry.update(before.name, changes, **BY_ALICE)
        assert after.version == before.version + 1
        assert after != before
        return
    with pytest.raises((ConnectionRuleError, ConnectionSetupError)) as caught:
        await registry.update(before.name, changes, **BY_ALICE)
    if field in FIXED:
        assert re.match(r"a connection's \w+ can't be changed", caught.value.message)
        assert "remove the connection and add it anew" in caught.value.message
    else:
        assert f"{field}: this kind of connection has no such field" in caught.value.message
    assert await registry.get(before.name, workspace="main") == before


@pytest.mark.acceptance("IN-18", "CO-06")
@pytest.mark.parametrize("field", TRIED)
async def test_nothing_of_the_built_in_connection_changes(registry: Registry, field: str) -> None:
    with pytest.raises(ConnectionRuleError, match="the built-in connection 'default' can't be changed"):
        await registry.update("default", {field: TRIED[field]}, **BY_ALICE)


@pytest.mark.acceptance("IN-18")
async def test_the_built_in_connection_is_not_removed(registry: Registry) -> None:
    with pytest.raises(ConnectionRuleError, match="the built-in connection 'default' can't be removed"):
        await registry.remove("default", **BY_ALICE)


@pytest.mark.acceptance("IN-16")
@pytest.mark.parametrize(
    ("kind", "secret"), [("aws_keys", "secret_access_key"), ("https_basic", "password"), ("https_bearer", "token")]
)
async def test_a_secret_moves_elsewhere_and_back(registry: Registry, kind: str, secret: str) -> None:
    before = await registry.create(NEW[kind], **BY_ALICE)
    moved = await registry.update(before.name, {"secret_from": "env://ELSEWHERE"}, **BY_ALICE)
    assert moved.describe()["secret_from"] == "env://ELSEWHERE"
    back = await registry.update(before.name, {secret: TRIED[secret]}, **BY_ALICE)
    assert back.describe()["secret_from"] is None
    assert await registry.secret(back) == TRIED[secret]


@pytest.mark.acceptance("IN-14")
async def test_what_serves_the_organisation_goes_on_to(registry: Registry) -> None:
    await registry.create(A_ROLE | {"audience": "organisation"}, **BY_ALICE)
    with pytest.raises(ConnectionRuleError, match="serves the organisation, and other workspaces have records"):
        await registry.update("acme", {"audience": "workspace"}, **BY_ALICE)


async def test_a_key_that_is_changed_needs_its_secret(registry: Registry) -> None:
    await registry.create(A_KEY, **BY_ALICE)
    with pytest.raises(ConnectionRuleError, match="another access key has another secret: give both"):
        await registry.update("keys", {"access_key_id": KEY_ID}, **BY_ALICE)
