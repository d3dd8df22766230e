"""What one workspace gives to all the others: who may, and that nobody reads, takes away or hides what is another's by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa

from config.database import Database
from config.errors import ConnectionRuleError, ConnectionSetupError, SettingsError, UnknownConnectionError
from config.limits import Limits
from credentials.connection import Connection
from credentials.kinds import RoleSpec
from credentials.registry import Registry
from credentials.roles import Roles
from credentials.tables import audit, connections
from credentials.tombstones import Tombstones
from credentials.vault import Vault
from ingest.catalog.catalog import Catalog
from ingest.catalog.purging import Gone
from ingest.catalog.retention import Retention
from ingest.catalog.schedules import Schedules
from ingest.catalog.users import users_in
from ingest.cron import Cron
from ingest.job import IngestJob
from tests.postgres import Kind
from tests.unit.credentials.connections import A_KEY, A_ROLE, BY_ALICE, CANARY, ROLE, a_catalog, a_registry, settings_of

MAIN: Final = {"workspace": "main"}
BLUE: Final = {"workspace": "blue"}
BY_BOB: Final = {"workspace": "blue", "actor": "bob"}
SHARED: Final = {"audience": "organisation"}
ANOTHER_ROLE: Final = "arn:aws:iam::777788889999:role/longshore-reader"
OURS: Final = "arn:aws:iam::111122223333:role/ours"
A_KEPT_ROLE: Final = {"kind": "aws_role", "name": "photos", "role": "reader", "allow": ["s3://acme"]}
UNCHECKED: Final[dict[str, Any]] = {"open_roles": "allow"}
"""The operator takes roles without external IDs from whomever: what is refused is refused for another reason."""
WITHOUT_ID: Final = A_ROLE | {"external_id": None}
ELSEWHERE: Final = {name: value for name, value in A_KEY.items() if name != "secret_access_key"} | {
    "secret_from": "env://ACME_KEY"
}
KEPT_ELSEWHERE: Final = [
    ELSEWHERE,
    {"kind": "https_bearer", "name": "keys", "allow": ["https://acme.example/"], "secret_from": "env://ACME_KEY"},
]


@pytest.fixture
async def database(tmp_path: Path, kind: Kind) -> AsyncGenerator[Database]:
    async with a_catalog(tmp_path, kind) as opened:
        yield opened


@pytest.fixture
def registry(database: Database) -> Registry:
    return a_registry(database, settings_of(**UNCHECKED))


def the_roles(database: Database, workspace: str = "main", **settings: Any) -> Roles:
    return Roles(database=database, settings=settings_of(**UNCHECKED | settings), workspace=workspace)


def role_of(connection: Connection) -> str:
    assert isinstance(connection.spec, RoleSpec)
    return connection.spec.role_arn


async def living(database: Database) -> list[tuple[str, str]]:
    query = sa.select(connections.c.workspace, connections.c.name).where(connections.c.removed_at.is_(None))
    found = await database.read(lambda tx: tx.execute(query).all())
    return sorted((row.workspace, row.name) for row in found)


async def lines_of(database: Database) -> int:
    return await database.read(lambda tx: tx.execute(sa.select(sa.func.count()).select_from(audit)).scalar_one())


async def planned(database: Database, workspace: str, name: str, connection: str = "keys") -> None:
    schedules = Schedules(database=database, workspace=workspace, limits=Limits())
    job = IngestJob.read({"uris": ["s3://acme"], "connection": connection})
    await schedules.add(name, job, Cron.read("0 0 * * *"))


# --- removal


async def test_of_many_removals_at_once_none_takes_the_organisations_connection_of_that_name(
    database: Database, registry: Registry
) -> None:
    """Once a workspace's own is gone, its name means the organisation's."""
    await registry.create(A_KEY | SHARED, **BY_ALICE)
    await registry.create(A_KEY, **BY_BOB)
    outcomes = await asyncio.gather(*(registry.remove("keys", **BY_BOB) for _ in range(3)), return_exceptions=True)
    assert outcomes.count(None) == 1
    assert {type(one) for one in outcomes} <= {type(None), UnknownConnectionError, ConnectionRuleError}
    assert await living(database) == [("main", "keys")]
    assert await registry.secret(await registry.get("keys", **BLUE)) == CANARY


class _Overtaken(Registry):
    """Somebody else does something between a look at a connection and what comes of it."""

    def __init__(self, database: Database, meanwhile: Callable[[], Awaitable[object]]) -> None:
        settings = settings_of()
        super().__init__(database=database, vault=Vault.from_settings(settings), settings=settings)
        self._meanwhile = meanwhile

    async def get(self, name: str, *, workspace: str) -> Connection:
        found = await super().get(name, workspace=workspace)
        await self._meanwhile()
        return found


async def test_a_removal_that_was_overtaken_by_another_one_takes_nothing_of_that_name(
    database: Database, registry: Registry
) -> None:
    await registry.create(A_KEY | SHARED, **BY_ALICE)
    await registry.create(A_KEY, **BY_BOB)
    late = _Overtaken(database, lambda: registry.remove("keys", **BY_BOB))
    with pytest.raises(UnknownConnectionError, match="no connection 'keys' in workspace 'blue'"):
        await late.remove("keys", **BY_BOB)
    assert await living(database) == [("main", "keys")]


async def test_a_change_that_was_overtaken_by_a_removal_changes_nothing_of_that_name(
    database: Database, registry: Registry
) -> None:
    before = await registry.create(A_KEY | SHARED, **BY_ALICE)
    await registry.create(A_KEY, **BY_BOB)
    late = _Overtaken(database, lambda: registry.remove("keys", **BY_BOB))
    with pytest.raises(ConnectionRuleError, match="changed by somebody else"):
        await late.update("keys", {"versions": True}, **BY_BOB)
    assert await registry.get("keys", **MAIN) == before


async def test_who_uses_a_connection_is_asked_of_what_it_is_when_it_is_removed(
    database: Database, registry: Registry
) -> None:
    """It came to serve the organisation since it was looked at, and another workspace plans with it."""
    await registry.create(A_KEY, **BY_ALICE)

    async def shared_and_used() -> None:
        await registry.update("keys", SHARED, **BY_ALICE)
        await planned(database, "blue", "mine")

    with pytest.raises(ConnectionRuleError, match="in use: schedules read through it: some of workspace blue"):
        await _Overtaken(database, shared_and_used).remove("keys", users_in("main"), **BY_ALICE)


async def test_what_another_workspace_plans_with_its_own_connection_of_that_name_is_no_use_of_this_one(
    database: Database, registry: Registry
) -> None:
    await registry.create(A_KEY | SHARED, **BY_ALICE)
    await registry.create(A_KEY, **BY_BOB)
    await planned(database, "blue", "mine")
    mains = await registry.get("keys", **MAIN)
    assert await registry.users(mains, users_in("main")) == []
    await planned(database, "red", "theirs")
    (used,) = await registry.users(mains, users_in("main"))
    assert "some of workspace red" in used
    assert "blue" not in used
    with pytest.raises(ConnectionRuleError, match="in use: schedules read through it: mine"):
        await registry.remove("keys", users_in("blue"), **BY_BOB)
    with pytest.raises(ConnectionRuleError, match="in use: schedules read through it: some of workspace red"):
        await registry.remove("keys", users_in("main"), **BY_ALICE)


async def test_a_schedule_counts_again_once_the_workspaces_own_is_gone(database: Database, registry: Registry) -> None:
    await registry.create(A_KEY | SHARED, **BY_ALICE)
    await registry.create(A_KEY, **BY_BOB)
    await planned(database, "blue", "mine")
    await registry.remove("keys", **BY_BOB)
    with pytest.raises(ConnectionRuleError, match="some of workspace blue"):
        await registry.remove("keys", users_in("main"), **BY_ALICE)


# --- who may give to the organisation


@pytest.mark.parametrize("fields", [A_ROLE, A_KEY], ids=["aws_role", "aws_keys"])
async def test_only_workspaces_that_the_operator_lists_give_connections_to_the_organisation(
    database: Database, registry: Registry, fields: dict[str, Any]
) -> None:
    name = str(fields["name"])
    with pytest.raises(ConnectionRuleError, match=r"'blue' may not serve.*LONGSHORE_ORGANISATION_WORKSPACES lists"):
        await registry.create(fields | SHARED, **BY_BOB)
    assert await living(database) == []
    before = await registry.create(fields, **BY_BOB)
    with pytest.raises(ConnectionRuleError, match="'blue' may not serve the organisation"):
        await registry.update(name, SHARED, **BY_BOB)
    assert await registry.get(name, **BLUE) == before
    with pytest.raises(UnknownConnectionError):
        await registry.get(name, **MAIN)
    listing = a_registry(database, settings_of(organisation_workspaces="main, blue"))
    await listing.update(name, SHARED, **BY_BOB)
    assert (await registry.get(name, **MAIN)).owner == "blue"


async def test_nobody_gives_to_the_organisation_where_the_operator_lists_nobody(database: Database) -> None:
    with pytest.raises(ConnectionRuleError, match="'main' may not serve the organisation"):
        await a_registry(database, settings_of(organisation_workspaces="")).create(A_KEY | SHARED, **BY_ALICE)


async def test_only_workspaces_that_the_operator_lists_give_roles_to_the_organisation(database: Database) -> None:
    roles = the_roles(database, "blue")
    a_role = {"name": "reader", "role_arn": ROLE}
    with pytest.raises(ConnectionRuleError, match="'blue' may not serve the organisation"):
        await roles.add(a_role | SHARED, actor="bob")
    await roles.add(a_role, actor="bob")
    with pytest.raises(ConnectionRuleError, match="'blue' may not serve the organisation"):
        await roles.update("reader", SHARED, actor="bob")
    assert await the_roles(database).all() == []
    listed = the_roles(database, "blue", organisation_workspaces="blue")
    await listed.update("reader", SHARED, actor="bob")
    assert [role.workspace for role in await the_roles(database).all()] == ["blue"]


@pytest.mark.parametrize("fields", KEPT_ELSEWHERE, ids=["aws_keys", "https_bearer"])
async def test_a_secret_that_each_process_reads_for_itself_is_not_shared(
    registry: Registry, fields: dict[str, Any]
) -> None:
    """Another workspace's process would send its own secret of that name to the server that this one names."""
    with pytest.raises(ConnectionSetupError, match="secret_from: is read by the process that uses it"):
        await registry.create(fields | SHARED, **BY_ALICE)
    before = await registry.create(fields, **BY_ALICE)
    with pytest.raises(ConnectionSetupError, match="secret_from: is read by the process that uses it"):
        await registry.update("keys", SHARED, **BY_ALICE)
    assert await registry.get("keys", **MAIN) == before


async def test_what_is_shared_does_not_come_to_be_kept_elsewhere(registry: Registry) -> None:
    await registry.create(A_KEY | SHARED, **BY_ALICE)
    with pytest.raises(ConnectionSetupError, match="secret_from: is read by the process that uses it"):
        await registry.update("keys", {"secret_from": "env://ACME_KEY"}, **BY_ALICE)


# --- whose a role is


@pytest.mark.parametrize("setting", ["reader_role", "principal_arn"])
@pytest.mark.parametrize("external_id", ["ext-1", None])
async def test_our_own_role_is_no_customers(database: Database, setting: str, external_id: str | None) -> None:
    """Else whoever adds a connection reads as we do, wherever that leads."""
    ours: dict[str, Any] = UNCHECKED | {setting: OURS}
    fields = {"role_arn": OURS, "external_id": external_id}
    with pytest.raises(ConnectionRuleError, match="is our own role, and no customer's"):
        await a_registry(database, settings_of(**ours)).create(A_ROLE | fields, **BY_BOB)
    with pytest.raises(ConnectionRuleError, match="is our own role, and no customer's"):
        await the_roles(database, "blue", **ours).add(fields | {"name": "reader"}, actor="bob")
    assert (await living(database), await the_roles(database, "blue").all()) == ([], [])


async def test_a_role_that_comes_to_be_ours_is_refused_with_the_next_change(database: Database) -> None:
    await a_registry(database).create(A_ROLE | {"role_arn": OURS}, **BY_BOB)
    await the_roles(database, "blue").add({"name": "reader", "role_arn": OURS}, actor="bob")
    with pytest.raises(ConnectionRuleError, match="is our own role"):
        await a_registry(database, settings_of(reader_role=OURS)).update("acme", {"allow": ["s3://other"]}, **BY_BOB)
    with pytest.raises(ConnectionRuleError, match="is our own role"):
        await the_roles(database, "blue", reader_role=OURS).update("reader", {"external_id": None}, actor="bob")


@pytest.mark.parametrize("first", ["connection", "kept role"])
async def test_a_role_without_an_external_id_is_that_workspaces_that_came_first_with_it(
    database: Database, registry: Registry, first: str
) -> None:
    """Without an ID nothing in what STS answers tells who was meant to read through it."""
    if first == "connection":
        await registry.create(A_ROLE, **BY_ALICE)
    else:
        await the_roles(database).add({"name": "reader", "role_arn": ROLE}, actor="alice")
    roles = the_roles(database, "blue")
    a_role: dict[str, Any] = {"name": "theirs", "role_arn": ROLE}
    with pytest.raises(ConnectionRuleError, match="is another workspace's already"):
        await registry.create(WITHOUT_ID, **BY_BOB)
    with pytest.raises(ConnectionRuleError, match="is another workspace's already"):
        await roles.add(a_role | {"external_id": None}, actor="bob")
    await registry.create(A_ROLE | {"external_id": "ext-2"}, **BY_BOB)
    await roles.add(a_role, actor="bob")
    with pytest.raises(ConnectionRuleError, match="is another workspace's already"):
        await registry.update("acme", {"external_id": None}, **BY_BOB)
    with pytest.raises(ConnectionRuleError, match="is another workspace's already"):
        await roles.update("theirs", {"external_id": None}, actor="bob")


async def test_a_role_is_free_again_once_its_connection_is_removed_and_a_name_like_it_is_another(
    registry: Registry,
) -> None:
    await registry.create(A_ROLE, **BY_ALICE)
    await registry.create(WITHOUT_ID | {"name": "like-it", "role_arn": ROLE[:-1]}, **BY_BOB)
    await registry.create(
        WITHOUT_ID | {"name": "any", "role_arn": ROLE.replace("longshore-reader", "longshore_reader")}, **BY_BOB
    )
    with pytest.raises(ConnectionRuleError, match="is another workspace's already"):
        await registry.create(WITHOUT_ID, **BY_BOB)
    await registry.remove("acme", **BY_ALICE)
    await registry.create(WITHOUT_ID, **BY_BOB)
    assert {one.name for one in await registry.list(**BLUE)} == {"default", "like-it", "any", "acme"}


async def test_whoever_names_a_role_later_does_not_stop_changes_of_those_who_came_first(
    database: Database, registry: Registry
) -> None:
    await registry.create(WITHOUT_ID, **BY_ALICE)
    roles = the_roles(database)
    await roles.add({"name": "reader", "role_arn": ROLE, "external_id": None}, actor="alice")
    await registry.create(A_ROLE, **BY_BOB)
    await registry.update("acme", {"versions": True, "external_id": None}, **BY_ALICE)
    await roles.update("reader", SHARED | {"external_id": None}, actor="alice")
    changed = (await registry.get("acme", **MAIN)).spec
    assert isinstance(changed, RoleSpec)
    assert (changed.versions, changed.external_id) == (True, None)
    assert (await roles.get("reader"))[0].audience == "organisation"


async def test_a_role_without_an_external_id_that_is_given_to_the_organisation_serves_its_workspaces(
    database: Database, registry: Registry
) -> None:
    """Where the operator lets it be given."""
    a_role = {"name": "reader", "role_arn": ROLE, "external_id": None} | SHARED
    with pytest.raises(ConnectionRuleError, match="serves the organisation needs an external ID"):
        await the_roles(database, open_roles="declared").add(a_role, actor="alice")
    await the_roles(database).add(a_role, actor="alice")
    assert role_of(await registry.create(A_KEPT_ROLE, **BY_BOB)) == ROLE
    await registry.update("photos", {"versions": True}, **BY_BOB)


async def test_a_connection_keeps_its_role_though_the_name_of_that_means_another_one_now(
    database: Database, registry: Registry
) -> None:
    shared = await the_roles(database).add({"name": "reader", "role_arn": ROLE} | SHARED, actor="alice")
    await registry.create(A_KEPT_ROLE, **BY_BOB)
    await the_roles(database, "blue").add({"name": "reader", "role_arn": ANOTHER_ROLE}, actor="bob")
    changed = await registry.update("photos", {"versions": True}, **BY_BOB)
    assert role_of(changed) == role_of(await registry.get("photos", **BLUE)) == ROLE
    query = sa.select(connections.c.role_id)
    assert await database.read(lambda tx: tx.execute(query).scalar_one()) == shared.id
    with pytest.raises(ConnectionRuleError, match="role 'reader' is in use by a connection of workspace blue"):
        await the_roles(database).remove("reader", actor="alice")
    await the_roles(database, "blue").remove("reader", actor="bob")


async def test_there_is_an_end_to_how_many_roles_a_workspace_has(database: Database) -> None:
    few: dict[str, Any] = {"limits": {"connections": 2}}
    roles = the_roles(database, **few)
    for name in ("one", "two"):
        await roles.add({"name": name, "role_arn": ROLE}, actor="alice")
    before = await lines_of(database)
    with pytest.raises(ConnectionRuleError, match=r"has 2 roles, and no more are allowed.*LONGSHORE_LIMITS__CONN"):
        await roles.add({"name": "three", "role_arn": ROLE}, actor="alice")
    assert await lines_of(database) == before
    await the_roles(database, "blue", **few).add({"name": "three", "role_arn": ROLE}, actor="bob")
    await roles.remove("one", actor="alice")
    await roles.add({"name": "three", "role_arn": ROLE}, actor="alice")


# --- a name that means another's


async def test_an_organisations_connection_named_like_the_built_in_one_of_a_workspace_is_passed_over_there(
    database: Database,
) -> None:
    """Processes of other workspaces may name theirs as they like: nobody stops their jobs by a name."""
    theirs = a_registry(database)
    mine = a_registry(database, settings_of(default_connection="ours"))
    shared = await mine.create(A_KEY | {"name": "default"} | SHARED, **BY_ALICE)
    (built_in,) = await theirs.list(**BLUE)
    assert (built_in.name, built_in.kind) == ("default", "default")
    assert await theirs.get("default", **BLUE) == built_in
    assert (await theirs.known_ids(**BLUE))[built_in.id] == "default"
    assert [one.id for one in await mine.list(**MAIN)][1:] == [shared.id]
    with pytest.raises(SettingsError, match="choose another LONGSHORE_DEFAULT_CONNECTION"):
        await theirs.list(**MAIN)


# --- what a removed one leaves


@pytest.mark.parametrize("fields", [A_ROLE, A_KEY], ids=["aws_role", "aws_keys"])
async def test_a_removed_connection_of_the_organisation_never_comes_back_as_a_workspaces(
    registry: Registry, fields: dict[str, Any]
) -> None:
    """Else the records that other workspaces have through it would be nobody's, and never purged."""
    name = str(fields["name"])
    await registry.create(fields | SHARED, **BY_ALICE)
    known = await registry.known_ids(**BLUE)
    await registry.remove(name, **BY_ALICE)
    with pytest.raises(ConnectionRuleError, match=r"served the organisation.*add it with the audience organisation"):
        await registry.create(fields, **BY_ALICE)
    assert await registry.known_ids(**BLUE) == known
    await registry.create(fields, **BY_BOB)
    await registry.create(fields | SHARED, **BY_ALICE)
    assert known.items() <= (await registry.known_ids(**BLUE)).items()


async def test_a_workspace_finds_what_a_removed_connection_of_the_organisation_left_there_and_deletes_it(
    database: Database, registry: Registry
) -> None:
    mine = await registry.create(A_KEY | SHARED, **BY_ALICE)
    theirs = await registry.get("keys", **BLUE)
    for workspace, connection in (("main", mine), ("blue", theirs)):
        catalog = Catalog(database=database, workspace=workspace, limits=Limits())
        job = IngestJob.read({"uris": ["s3://acme"], "connection": "keys"})
        run, _ = await catalog.create_run(job, connection_id=connection.id, origin="ingest")
        await catalog.cancel(run.id)
    tombstones = Tombstones(database=database, workspace="blue")
    retention = Retention(database=database, workspace="blue", limits=Limits())
    with pytest.raises(ConnectionRuleError, match="is there, and so its records are in use"):
        await tombstones.find("keys")
    with pytest.raises(ConnectionRuleError, match="is there, and so its records are in use"):
        await retention.forget(theirs.id, kept_id=theirs.kept_id)
    await registry.remove("keys", **BY_ALICE)
    (found,) = await tombstones.find("keys")
    assert (found.id, found.kept_id, found.kind) == (theirs.id, mine.id, "aws_keys")
    assert await retention.left(found.id, kept_id=found.kept_id) == Gone(runs=1)
    assert await retention.forget(found.id, kept_id=found.kept_id) == Gone(runs=1)
    assert await retention.left(mine.id, kept_id=mine.id) == Gone(runs=1), "the other workspace's records stay"
