"""Connections are created, found, changed, removed and revived, each in its own workspace, each with a line in the audit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from config.database import Database
from config.errors import (
    ConnectionRuleError,
    ConnectionSetupError,
    SecretKeyError,
    SettingsError,
    UnknownConnectionError,
)
from credentials.grants import Grant
from credentials.kinds import SECRET_FIELDS, KeysSpec, RoleSpec
from credentials.registry import Registry
from credentials.tables import audit, connections
from tests.postgres import Kind
from tests.unit.credentials.connections import (
    A_KEY,
    A_ROLE,
    BY_ALICE,
    CANARY,
    KEY_ID,
    a_catalog,
    a_registry,
    settings_of,
)

MAIN = {"workspace": "main"}


@pytest.fixture
async def database(tmp_path: Path, kind: Kind) -> AsyncGenerator[Database]:
    async with a_catalog(tmp_path, kind) as opened:
        yield opened


@pytest.fixture
def registry(database: Database) -> Registry:
    return a_registry(database)


async def _rows(database: Database, table: sa.Table) -> list[dict[str, Any]]:
    return await database.read(lambda tx: [dict(row) for row in tx.execute(sa.select(table)).mappings()])


async def _names(registry: Registry, workspace: str = "main") -> list[str]:
    return [connection.name for connection in await registry.list(workspace=workspace)]


@pytest.mark.acceptance("CO-05", "CO-07")
async def test_the_built_in_connection_comes_first_even_on_an_empty_store(registry: Registry) -> None:
    (built_in,) = await registry.list(**MAIN)
    assert (built_in.name, built_in.kind, built_in.anywhere) == ("default", "default", True)
    await registry.create(A_ROLE | {"name": "aaa"}, **BY_ALICE)
    assert await _names(registry) == ["default", "aaa"]
    assert await registry.get("default", **MAIN) == built_in


@pytest.mark.acceptance("CO-06")
async def test_the_built_in_connection_can_be_neither_changed_nor_removed(registry: Registry) -> None:
    with pytest.raises(ConnectionRuleError, match="built-in connection 'default' can't be changed"):
        await registry.update("default", {"region": "eu-west-1"}, **BY_ALICE)
    with pytest.raises(ConnectionRuleError, match="built-in connection 'default' can't be removed"):
        await registry.remove("default", **BY_ALICE)


@pytest.mark.acceptance("CO-07")
@pytest.mark.parametrize("reserved", ["default", "ours"])
async def test_the_name_of_the_built_in_connection_is_reserved_whatever_it_is(
    database: Database, reserved: str
) -> None:
    registry = a_registry(database, settings_of(default_connection=reserved))
    assert await _names(registry) == [reserved]
    with pytest.raises(ConnectionRuleError, match=f"the name '{reserved}' belongs to the built-in"):
        await registry.create(A_ROLE | {"name": reserved}, **BY_ALICE)
    with pytest.raises(ConnectionRuleError, match="built-in"):
        await registry.create({"kind": "default", "name": "another"}, **BY_ALICE)


async def test_the_built_in_connection_serves_main_or_the_buckets_that_the_operator_lists(database: Database) -> None:
    """It has no external ID: no tenant may name another's bucket through it."""
    unlisted, listed = (
        a_registry(database),
        a_registry(database, settings_of(default_buckets=("shared", "s3://b-2/x/"))),
    )
    assert (await unlisted.get("default", workspace="main")).anywhere
    blue = await unlisted.get("default", workspace="blue")
    assert (blue.anywhere, blue.grants) == (False, ())
    for workspace in ("main", "blue"):
        built_in = await listed.get("default", workspace=workspace)
        assert not built_in.anywhere
        assert built_in.grants == (Grant(bucket="shared"), Grant(bucket="b-2", prefix="x/"))


async def test_a_bad_bucket_of_the_operators_is_told_by_its_variable(database: Database) -> None:
    registry = a_registry(database, settings_of(default_buckets=("No_Bucket",)))
    with pytest.raises(SettingsError, match="LONGSHORE_DEFAULT_BUCKETS: a bucket's name has only lower-case"):
        await registry.list(**MAIN)


async def test_a_connection_is_read_as_it_was_created(registry: Registry) -> None:
    created = await registry.create(A_ROLE | {"region": "eu-west-1", "session_ttl_s": 60}, **BY_ALICE)
    assert (created.version, created.workspace, created.created_at) == (1, "main", created.updated_at)
    assert isinstance(created.spec, RoleSpec)
    assert (created.spec.session_ttl_s, created.spec.external_id) == (60, "ext-1")
    assert await registry.get("acme", **MAIN) == created
    assert (await registry.list(**MAIN))[1] == created


@pytest.mark.acceptance("CO-17")
async def test_a_name_is_unique_among_the_living_of_one_workspace(registry: Registry) -> None:
    await registry.create(A_ROLE, **BY_ALICE)
    for fields in (A_ROLE, A_KEY | {"name": "acme"}):
        with pytest.raises(ConnectionRuleError, match="has a connection 'acme' already"):
            await registry.create(fields, **BY_ALICE)
    await registry.create(A_ROLE, workspace="blue", actor="bob")


@pytest.mark.acceptance("CO-17")
async def test_of_two_that_create_the_same_name_at_once_one_wins(tmp_path: Path, kind: Kind) -> None:
    """In two processes: each has its own engine on the same file."""
    async with a_catalog(tmp_path, kind) as one, a_catalog(tmp_path, kind) as other:
        outcomes = await asyncio.gather(
            *(a_registry(database).create(A_ROLE, **BY_ALICE) for database in (one, other) for _ in range(3)),
            return_exceptions=True,
        )
        failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert len(failed) == 5
        assert {type(error) for error in failed} == {ConnectionRuleError}
        assert await _names(a_registry(other)) == ["default", "acme"]


async def test_a_workspace_sees_nothing_of_another(registry: Registry) -> None:
    await registry.create(A_ROLE, **BY_ALICE)
    assert await _names(registry, "blue") == ["default"]
    with pytest.raises(UnknownConnectionError, match="in workspace 'blue'; there are: default;"):
        await registry.get("acme", workspace="blue")
    with pytest.raises(UnknownConnectionError):
        await registry.update("acme", {"region": "eu-west-1"}, workspace="blue", actor="bob")
    with pytest.raises(UnknownConnectionError):
        await registry.remove("acme", workspace="blue", actor="bob")
    assert await registry.known_ids(workspace="blue") == {
        (await registry.get("default", workspace="blue")).id: "default"
    }


async def test_the_built_in_connection_never_stands_before_one_of_its_name(
    database: Database, registry: Registry
) -> None:
    """Else a job that names `acme` would read with our own identity, without a word."""
    await registry.create(A_ROLE, **BY_ALICE)
    shadowing = a_registry(database, settings_of(default_connection="acme"))
    for ask in (shadowing.get("acme", **MAIN), shadowing.list(**MAIN), shadowing.known_ids(**MAIN)):
        with pytest.raises(SettingsError, match=r"choose another LONGSHORE_DEFAULT_CONNECTION") as caught:
            await ask
        assert "'acme'" in caught.value.message
    assert (await shadowing.get("acme", workspace="blue")).kind == "default"
    await registry.remove("acme", **BY_ALICE)
    assert (await shadowing.get("acme", **MAIN)).kind == "default"


async def test_an_unknown_connection_is_answered_with_those_there_are(registry: Registry) -> None:
    for n in range(25):
        await registry.create(A_ROLE | {"name": f"acme-{n:02}"}, **BY_ALICE)
    with pytest.raises(UnknownConnectionError, match=r"no connection 'nope' .* default, acme-00, .*acme-18 and 6 more"):
        await registry.get("nope", **MAIN)


@pytest.mark.acceptance("IN-06")
@pytest.mark.parametrize(
    ("field", "value"), [("name", "other"), ("kind", "aws_keys"), ("role_arn", "arn:aws:iam::111122223333:role/x")]
)
async def test_what_a_connection_is_known_by_can_not_change(registry: Registry, field: str, value: str) -> None:
    before = await registry.create(A_ROLE, **BY_ALICE)
    with pytest.raises(ConnectionRuleError, match=r"can't be changed.*remove the connection and add it anew"):
        await registry.update("acme", {field: value}, **BY_ALICE)
    assert await registry.get("acme", **MAIN) == before


async def test_a_change_raises_the_version_and_keeps_the_rest(registry: Registry) -> None:
    before = await registry.create(A_ROLE, **BY_ALICE)
    after = await registry.update("acme", {"allow": ["s3://b-2/x/"], "external_id": None}, **BY_ALICE)
    assert (after.id, after.version, after.created_at) == (before.id, 2, before.created_at)
    assert isinstance(after.spec, RoleSpec)
    assert (after.grants, after.spec.external_id) == ((Grant(bucket="b-2", prefix="x/"),), None)
    assert after.spec.role_arn == A_ROLE["role_arn"]
    assert await registry.get("acme", **MAIN) == after


async def test_a_bad_change_changes_nothing(registry: Registry) -> None:
    before = await registry.create(A_ROLE, **BY_ALICE)
    bad: list[dict[str, object]] = [
        {"session_ttl_s": 59},
        {"allow": []},
        {"secret_access_key": CANARY},
        {"nonsense": 1},
    ]
    for changes in bad:
        with pytest.raises(ConnectionSetupError):
            await registry.update("acme", changes, **BY_ALICE)
    assert await registry.get("acme", **MAIN) == before


async def test_of_two_changes_at_once_none_is_lost_without_a_word(registry: Registry) -> None:
    await registry.create(A_ROLE, **BY_ALICE)
    outcomes = await asyncio.gather(
        registry.update("acme", {"region": "eu-west-1"}, **BY_ALICE),
        registry.update("acme", {"session_ttl_s": 900}, **BY_ALICE),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, ConnectionRuleError)]
    after = await registry.get("acme", **MAIN)
    assert after.version == 3 - len(refused)
    assert isinstance(after.spec, RoleSpec)
    assert ((after.spec.region is not None) + (after.spec.session_ttl_s == 900)) == 2 - len(refused)
    assert all("somebody else" in str(error) for error in refused)


async def test_access_keys_can_change(registry: Registry) -> None:
    created = await registry.create(A_KEY, **BY_ALICE)
    assert (await registry.keys(created)).secret_access_key == CANARY
    new = {"access_key_id": "AKIAANOTHERKEY000002", "secret_access_key": "another/secret/of/the/same/user/here/002"}
    changed = await registry.update("keys", new, **BY_ALICE)
    assert isinstance(changed.spec, KeysSpec)
    pair = await registry.keys(changed)
    assert {"access_key_id": pair.access_key_id, "secret_access_key": pair.secret_access_key} == new
    with pytest.raises(ConnectionRuleError, match="give both"):
        await registry.update("keys", {"access_key_id": KEY_ID}, **BY_ALICE)
    await registry.update("keys", {"region": "eu-west-1"}, **BY_ALICE)
    assert await registry.keys(created) == pair


async def test_only_an_access_key_has_a_secret(registry: Registry) -> None:
    with pytest.raises(ConnectionRuleError, match="of kind aws_role has no secret"):
        await registry.secret(await registry.create(A_ROLE, **BY_ALICE))
    with pytest.raises(ConnectionRuleError, match="of kind default has no secret"):
        await registry.secret(await registry.get("default", **MAIN))


async def test_a_removed_connection_has_no_secret_even_if_a_role_bears_its_name_now(registry: Registry) -> None:
    created = await registry.create(A_KEY, **BY_ALICE)
    await registry.remove("keys", **BY_ALICE)
    await registry.create(A_ROLE | {"name": "keys"}, **BY_ALICE)
    with pytest.raises(
        UnknownConnectionError, match="'keys' was removed; the one of that name now is of kind aws_role"
    ):
        await registry.secret(created)


@pytest.mark.acceptance("CR-11")
async def test_without_a_key_a_secret_is_refused_and_nothing_is_written(database: Database) -> None:
    registry = a_registry(database, settings_of(secret_keys=None))
    with pytest.raises(SecretKeyError, match="LONGSHORE_SECRET_KEYS"):
        await registry.create(A_KEY, **BY_ALICE)
    assert await _rows(database, connections) == []
    assert await _rows(database, audit) == []
    await registry.create(A_ROLE, **BY_ALICE)


@pytest.mark.acceptance("CR-11")
async def test_a_sealed_secret_moved_to_another_row_does_not_open(database: Database, registry: Registry) -> None:
    await registry.create(A_KEY, **BY_ALICE)
    other = await registry.create(A_KEY | {"name": "other", "secret_access_key": "the-other-secret"}, **BY_ALICE)
    stolen = next(row["sealed"] for row in await _rows(database, connections) if row["name"] == "keys")
    await database.transaction(lambda tx: tx.execute(sa.update(connections).values(sealed=stolen)).rowcount)
    with pytest.raises(SecretKeyError, match="another row"):
        await registry.secret(other)


@pytest.mark.acceptance("CG-18")
async def test_a_removed_connection_leaves_a_tombstone_without_its_secret(
    database: Database, registry: Registry
) -> None:
    created = await registry.create(A_KEY, **BY_ALICE)
    await registry.remove("keys", **BY_ALICE)
    assert await _names(registry) == ["default"]
    for again in (registry.get("keys", **MAIN), registry.remove("keys", **BY_ALICE), registry.secret(created)):
        with pytest.raises(UnknownConnectionError):
            await again
    (row,) = await _rows(database, connections)
    assert (row["id"], row["sealed"], row["removed_at"] is not None) == (created.id, None, True)
    assert (await registry.known_ids(**MAIN))[created.id] == "keys"


async def test_the_same_name_and_kind_revive_a_removed_connection(registry: Registry) -> None:
    first = await registry.create(A_KEY, **BY_ALICE)
    await registry.remove("keys", **BY_ALICE)
    other = await registry.create(A_ROLE | {"name": "keys"}, **BY_ALICE)
    assert other.id != first.id
    await registry.remove("keys", **BY_ALICE)
    again = await registry.create(A_KEY | {"secret_access_key": "the-second-secret"}, **BY_ALICE)
    assert (again.id, again.created_at, again.version > first.version) == (first.id, first.created_at, True)
    assert (await registry.keys(again)).secret_access_key == "the-second-secret"
    assert again.notices == ()


async def test_a_revived_connection_of_another_account_is_warned_of(registry: Registry) -> None:
    await registry.create(A_ROLE, **BY_ALICE)
    await registry.remove("acme", **BY_ALICE)
    again = await registry.create(A_ROLE | {"role_arn": "arn:aws:iam::111122223333:role/x"}, **BY_ALICE)
    (warning,) = again.warnings()
    assert "belonged to account 444455556666, this one to 111122223333" in warning


async def test_every_change_leaves_a_line_in_the_audit_and_no_refusal_does(
    database: Database, registry: Registry
) -> None:
    await registry.create(A_KEY, **BY_ALICE)
    await registry.update("keys", {"region": "eu-west-1"}, workspace="main", actor="bob")
    with pytest.raises(ConnectionRuleError):
        await registry.create(A_KEY, **BY_ALICE)
    await registry.remove("keys", **BY_ALICE)
    await registry.create(A_KEY, **BY_ALICE)
    lines = await _rows(database, audit)
    assert [(line["action"], line["actor"], line["object"]) for line in lines] == [
        ("created", "alice", "connection:keys"),
        ("updated", "bob", "connection:keys"),
        ("removed", "alice", "connection:keys"),
        ("revived", "alice", "connection:keys"),
    ]
    assert json.loads(lines[1]["detail"])["changed"] == ["region"]
    assert CANARY not in str(lines)


A_SERVER = {
    "kind": "https_basic",
    "name": "server",
    "username": "reader",
    "password": CANARY,
    "allow": ["https://files.example.com/in/"],
}


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        (A_SERVER, {"allow": ["https://evil.example.com/in/"]}),
        (A_SERVER, {"allow": "https://files.example.com.evil.example/in/"}),
        (A_KEY, {"endpoint": "https://evil.example.com"}),
    ],
)
async def test_a_stored_secret_is_never_sent_to_another_server(
    database: Database, fields: dict[str, Any], changes: dict[str, Any]
) -> None:
    """Whoever may change a connection need not know its secret, and must not learn it by a server of his own."""
    registry = a_registry(database, settings_of(endpoints=("any",)))
    before = await registry.create(fields, **BY_ALICE)
    with pytest.raises(ConnectionRuleError, match="give the secret for it"):
        await registry.update(before.name, changes, **BY_ALICE)
    assert await registry.get(before.name, **MAIN) == before
    secret = {SECRET_FIELDS[before.kind]: "the-secret-of-that-server"}
    await registry.update(before.name, changes | secret, **BY_ALICE)


async def test_places_on_the_same_server_may_change_without_its_secret(registry: Registry) -> None:
    await registry.create(A_SERVER, **BY_ALICE)
    changed = await registry.update("server", {"allow": ["https://files.example.com/out/"]}, **BY_ALICE)
    assert await registry.secret(changed) == CANARY


A_TOKEN = {"kind": "https_bearer", "name": "api", "token": CANARY, "allow": ["https://files.example.com/in/"]}


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        (A_SERVER, {"allow": ["https://other.example.com/in/"]}),
        (A_TOKEN, {"allow": ["https://other.example.com/"]}),
        (A_KEY | {"endpoint": "https://s3.example.com"}, {"endpoint": "https://other.example.com"}),
        (A_KEY, {"endpoint": "https://other.example.com"}),
    ],
    ids=["https_basic", "https_bearer", "aws_keys", "aws_keys from AWS"],
)
async def test_a_connection_that_was_read_before_never_opens_the_secret_of_the_server_it_was_pointed_at_since(
    database: Database, fields: dict[str, Any], changes: dict[str, Any]
) -> None:
    """A run that is under way would send it to the old server."""
    registry = a_registry(database, settings_of(endpoints=("any",)))
    old = await registry.create(fields, **BY_ALICE)
    new = await registry.update(old.name, changes | {SECRET_FIELDS[old.kind]: "the-secret-of-that-server"}, **BY_ALICE)
    for fresh in (False, True):
        with pytest.raises(ConnectionRuleError, match="was pointed at another server meanwhile") as caught:
            await registry.secret(old, fresh=fresh)
        assert "the-secret-of" not in str(caught.value)
    assert await registry.secret(new) == "the-secret-of-that-server"
    await registry.update(old.name, {"test_location": None}, **BY_ALICE)
    assert await registry.secret(new) == "the-secret-of-that-server"


async def test_a_server_written_in_another_way_is_the_same_one(database: Database) -> None:
    registry = a_registry(database)
    old = await registry.create(A_TOKEN, **BY_ALICE)
    await registry.update("api", {"allow": ["https://Files.example.com:443/out/"]}, **BY_ALICE)
    assert await registry.secret(old) == CANARY


NO_SECRET = [
    {name: value for name, value in fields.items() if name != SECRET_FIELDS[str(fields["kind"])]}
    for fields in (A_KEY, A_SERVER, A_TOKEN)
]


@pytest.mark.parametrize("fields", NO_SECRET, ids=[str(fields["kind"]) for fields in NO_SECRET])
async def test_a_connection_is_never_left_without_its_secret(
    database: Database, registry: Registry, fields: dict[str, Any]
) -> None:
    with pytest.raises(ConnectionSetupError):
        await registry.create(fields | {"secret_from": None}, **BY_ALICE)
    name, elsewhere = str(fields["name"]), {"secret_from": "env://ACME_KEY"}
    before = await registry.create(fields | elsewhere, **BY_ALICE)
    with pytest.raises(ConnectionRuleError, match="not kept elsewhere any more is kept here: give it"):
        await registry.update(name, {"secret_from": None}, **BY_ALICE)
    assert await registry.get(name, **MAIN) == before
    here = {SECRET_FIELDS[before.kind]: CANARY}
    kept = await registry.update(name, {"secret_from": None} | here, **BY_ALICE)
    assert await registry.secret(kept) == CANARY
    await registry.update(name, elsewhere, **BY_ALICE)
    (row,) = await _rows(database, connections)
    assert row["sealed"] is None


@pytest.mark.parametrize("kept", ["here", "elsewhere"])
async def test_another_access_key_never_has_the_secret_of_the_one_before(registry: Registry, kept: str) -> None:
    fields = A_KEY if kept == "here" else NO_SECRET[0] | {"secret_from": "env://ACME_KEY"}
    before = await registry.create(fields, **BY_ALICE)
    for changes in ({"access_key_id": "AKIAANOTHERKEY000002"}, {"access_key_id": KEY_ID, "secret_from": None}):
        with pytest.raises(ConnectionRuleError, match=r"give both|give it"):
            await registry.update("keys", changes, **BY_ALICE)
    assert await registry.get("keys", **MAIN) == before
