"""A connection serves its workspace, or the organisation: who sees it then, who uses it, who changes it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

import pytest

from config.database import Database
from config.errors import ConnectionRuleError, ConnectionSetupError, UnknownConnectionError
from credentials.registry import Registry
from credentials.resolver import choose
from credentials.roles import Roles
from tests.postgres import Kind
from tests.unit.credentials.connections import A_KEY, A_ROLE, BY_ALICE, CANARY, ROLE, a_catalog, a_registry, settings_of

MAIN: Final = {"workspace": "main"}
BLUE: Final = {"workspace": "blue"}
BY_BOB: Final = {"workspace": "blue", "actor": "bob"}
SHARED: Final = {"audience": "organisation"}
A_KEPT_ROLE: Final = {"kind": "aws_role", "role": "reader", "allow": ["s3://acme"]}


@pytest.fixture
async def database(tmp_path: Path, kind: Kind) -> AsyncGenerator[Database]:
    async with a_catalog(tmp_path, kind) as opened:
        yield opened


@pytest.fixture
def registry(database: Database) -> Registry:
    return a_registry(database)


def the_roles(database: Database, workspace: str = "main", **settings: Any) -> Roles:
    return Roles(database=database, settings=settings_of(**settings), workspace=workspace)


@pytest.mark.acceptance("IN-05")
async def test_what_serves_a_workspace_is_nobody_elses(registry: Registry) -> None:
    await registry.create(A_ROLE, **BY_ALICE)
    with pytest.raises(UnknownConnectionError):
        await registry.get("acme", **BLUE)
    assert [one.name for one in await registry.list(**BLUE)] == ["default"]


@pytest.mark.acceptance("IN-05")
async def test_what_serves_the_organisation_is_used_by_every_workspace_with_records_of_its_own(
    registry: Registry,
) -> None:
    mine = await registry.create(A_KEY | SHARED, **BY_ALICE)
    theirs = await registry.get("keys", **BLUE)
    assert (theirs.workspace, theirs.owner, theirs.own, mine.own) == ("blue", "main", False, True)
    assert (theirs.kept_id, theirs.id != mine.id) == (mine.kept_id, True)
    assert (await registry.get("keys", workspace="red")).id not in (mine.id, theirs.id)
    assert (await registry.get("keys", **BLUE)).id == theirs.id
    assert await registry.secret(theirs) == CANARY
    assert (await registry.known_ids(**BLUE))[theirs.id] == "keys"
    assert choose(await registry.list(**BLUE), "acme", b"a", **BLUE).id == theirs.id


@pytest.mark.acceptance("IN-05")
async def test_only_the_workspace_whose_it_is_changes_or_removes_it(registry: Registry) -> None:
    before = await registry.create(A_ROLE | SHARED, **BY_ALICE)
    for attempt in (registry.update("acme", {"region": "eu-west-1"}, **BY_BOB), registry.remove("acme", **BY_BOB)):
        with pytest.raises(ConnectionRuleError, match="belongs to workspace 'main', which gave it to the organisation"):
            await attempt
    assert await registry.get("acme", **MAIN) == before
    await registry.remove("acme", **BY_ALICE)
    with pytest.raises(UnknownConnectionError):
        await registry.get("acme", **BLUE)
    assert "acme" in (await registry.known_ids(**BLUE)).values()


@pytest.mark.acceptance("IN-05")
@pytest.mark.parametrize("fields", [A_ROLE, A_KEY], ids=["aws_role", "aws_keys"])
async def test_others_see_what_it_permits_and_nothing_that_gets_in(registry: Registry, fields: dict[str, Any]) -> None:
    created = await registry.create(fields | SHARED, **BY_ALICE)
    await registry.trusts(created, "safe")
    described = (await registry.get(str(fields["name"]), **BLUE)).describe()
    assert described["allow"] == ["s3://acme"]
    for secret in (ROLE, "ext-1", "MPLE", CANARY, "444455556666"):
        assert secret not in str(described)
    assert described.keys().isdisjoint({"role_arn", "external_id", "access_key_id", "secret_from", "trust", "tested"})


@pytest.mark.acceptance("IN-05")
async def test_a_workspaces_own_connection_comes_before_the_organisations_of_that_name(registry: Registry) -> None:
    await registry.create(A_ROLE, **BY_BOB)
    await registry.create(A_ROLE | SHARED | {"allow": ["s3://shared"]}, **BY_ALICE)
    assert [one.describe()["allow"] for one in (await registry.list(**BLUE))[1:]] == [["s3://acme"]]
    assert (await registry.get("acme", **BLUE)).own
    assert not (await registry.get("acme", workspace="red")).own
    with pytest.raises(
        ConnectionRuleError, match="the organisation has a connection 'acme' already, of workspace 'main'"
    ):
        await registry.update("acme", SHARED, **BY_BOB)
    with pytest.raises(ConnectionRuleError, match="the organisation has a connection 'acme' already"):
        await registry.create(A_ROLE | SHARED, workspace="red", actor="eve")


@pytest.mark.acceptance("IN-10", "IN-13")
async def test_a_role_once_added_serves_many_connections(database: Database, registry: Registry) -> None:
    roles = the_roles(database)
    role = await roles.add({"name": "reader", "role_arn": ROLE}, actor="alice")
    for name in ("photos", "video"):
        made = await registry.create(A_KEPT_ROLE | {"name": name, "allow": [f"s3://acme-{name}"]}, **BY_ALICE)
        described = made.describe()
        assert (described["role_arn"], described["external_id"], described["role"]) == (
            ROLE,
            role.external_id,
            "reader",
        )
    assert (await roles.get("reader"))[1] == ["photos", "video"]
    await roles.update("reader", {"external_id": None}, actor="alice")
    for name in ("photos", "video"):
        now = await registry.get(name, **MAIN)
        assert (now.describe()["external_id"], now.version) == (None, 2)


@pytest.mark.acceptance("IN-10", "IN-13")
async def test_a_role_serves_connections_within_its_audience(database: Database, registry: Registry) -> None:
    roles = the_roles(database)
    await roles.add({"name": "reader", "role_arn": ROLE}, actor="alice")
    with pytest.raises(UnknownConnectionError, match="there is no role 'reader' in workspace 'blue'; there are: none"):
        await registry.create(A_KEPT_ROLE | {"name": "photos"}, **BY_BOB)
    with pytest.raises(
        ConnectionRuleError, match="role 'reader' serves workspace 'main' only, and this connection would"
    ):
        await registry.create(A_KEPT_ROLE | {"name": "photos"} | SHARED, **BY_ALICE)
    await roles.update("reader", SHARED, actor="alice")
    await registry.create(A_KEPT_ROLE | {"name": "photos"} | SHARED, **BY_ALICE)
    await registry.create(A_KEPT_ROLE | {"name": "theirs"}, **BY_BOB)
    assert [role.name for role in await the_roles(database, "blue").all()] == ["reader"]
    for attempt in (
        the_roles(database, "blue").update("reader", {"external_id": None}, actor="bob"),
        the_roles(database, "blue").remove("reader", actor="bob"),
    ):
        with pytest.raises(
            ConnectionRuleError, match="role 'reader' belongs to workspace 'main', and only that changes"
        ):
            await attempt
    with pytest.raises(ConnectionRuleError, match="role 'reader' serves the organisation"):
        await roles.update("reader", {"audience": "workspace"}, actor="alice")


@pytest.mark.acceptance("IN-15")
async def test_a_role_in_use_is_not_removed_and_its_users_are_named(database: Database, registry: Registry) -> None:
    roles = the_roles(database)
    await roles.add({"name": "reader", "role_arn": ROLE} | SHARED, actor="alice")
    for name in ("photos", "video"):
        await registry.create(A_KEPT_ROLE | {"name": name}, **BY_ALICE)
    await registry.create(A_KEPT_ROLE | {"name": "their-secret-project"}, **BY_BOB)
    with pytest.raises(ConnectionRuleError) as caught:
        await roles.remove("reader", actor="alice")
    assert caught.value.message == (
        "role 'reader' is in use by photos, video, a connection of workspace blue; remove these connections first"
    )
    for name in ("photos", "video"):
        await registry.remove(name, **BY_ALICE)
    await registry.remove("their-secret-project", **BY_BOB)
    await roles.remove("reader", actor="alice")
    with pytest.raises(UnknownConnectionError, match="there is no role 'reader'"):
        await roles.get("reader")


@pytest.mark.acceptance("IN-14")
async def test_a_connections_role_is_not_changed_in_place(database: Database, registry: Registry) -> None:
    roles = the_roles(database)
    for name in ("reader", "other"):
        await roles.add({"name": name, "role_arn": ROLE}, actor="alice")
    await registry.create(A_KEPT_ROLE | {"name": "photos"}, **BY_ALICE)
    with pytest.raises(ConnectionRuleError, match="a connection's role can't be changed in place"):
        await registry.update("photos", {"role": "other"}, **BY_ALICE)
    with pytest.raises(ConnectionRuleError, match="the external ID is that of role 'reader'"):
        await registry.update("photos", {"external_id": "ext-3"}, **BY_ALICE)
    with pytest.raises(ConnectionSetupError, match="role: has its own ARN and external ID"):
        await registry.create(A_KEPT_ROLE | {"name": "two", "role_arn": ROLE}, **BY_ALICE)
    for changes in ({"name": "x"}, {"role_arn": ROLE}):
        with pytest.raises(ConnectionRuleError, match="can't be changed, since connections trust it"):
            await roles.update("reader", changes, actor="alice")
    with pytest.raises(ConnectionRuleError, match="there is a role 'reader' already"):
        await roles.add({"name": "reader", "role_arn": ROLE}, actor="alice")


@pytest.mark.acceptance("CO-18")
async def test_what_is_wrong_with_a_role_is_told_field_by_field(database: Database) -> None:
    with pytest.raises(ConnectionSetupError, match=r"the role can't be used: name: a name has .*; role_arn: "):
        await the_roles(database).add({"name": "Reader", "role_arn": "reader"}, actor="alice")


async def test_there_is_an_end_to_how_many_connections_a_workspace_has(database: Database) -> None:
    registry = a_registry(database, settings_of(limits={"connections": 2}))
    for name in ("one", "two"):
        await registry.create(A_ROLE | {"name": name}, **BY_ALICE)
    with pytest.raises(
        ConnectionRuleError, match=r"has 2 connections, and no more are allowed.*LONGSHORE_LIMITS__CONN"
    ):
        await registry.create(A_ROLE | {"name": "three"}, **BY_ALICE)
    await registry.create(A_ROLE | {"name": "three"}, **BY_BOB)
    await registry.remove("one", **BY_ALICE)
    await registry.create(A_ROLE | {"name": "three"}, **BY_ALICE)
