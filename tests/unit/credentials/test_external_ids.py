"""External IDs: STS's own character set, one for each workspace and connection, issued before that exists, and never another's."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from config.database import Database
from config.errors import ConnectionRuleError, ConnectionSetupError
from credentials.audit import Audit
from credentials.external_ids import ExternalIds
from credentials.kinds import RoleSpec, parse_kept
from credentials.roles import Roles
from credentials.tables import external_ids
from tests.postgres import Kind
from tests.unit.credentials.connections import A_ROLE, BY_ALICE, ROLE, a_catalog, a_registry, settings_of

WITHOUT = {name: value for name, value in A_ROLE.items() if name != "external_id"}
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@:/-"


@pytest.fixture
async def database(tmp_path: Path, kind: Kind) -> AsyncGenerator[Database]:
    async with a_catalog(tmp_path, kind) as opened:
        yield opened


def _read(external_id: str) -> str | None:
    spec = parse_kept(A_ROLE | {"external_id": external_id})
    assert isinstance(spec, RoleSpec)
    return spec.external_id


@pytest.mark.acceptance("CG-06")
@given(st.text(st.sampled_from(ALPHABET), min_size=2, max_size=40) | st.integers(2, 1224).map(lambda size: "x" * size))
def test_an_external_id_of_stss_own_characters_and_length_is_taken_as_it_is(external_id: str) -> None:
    assert _read(external_id) == external_id


@pytest.mark.acceptance("CG-06")
@given(
    st.one_of(
        st.sampled_from(["", "x", "x" * 1225, "x" * 5000]),
        st.tuples(
            st.text(st.sampled_from(ALPHABET)),
            st.characters(codec="utf-8").filter(lambda one: one not in ALPHABET),
            st.text(st.sampled_from(ALPHABET)),
        ).map("".join),
    )
)
def test_any_other_is_refused_with_the_rule(external_id: str) -> None:
    with pytest.raises(ConnectionSetupError, match="external_id: an external ID has 2 to 1224 letters, digits and"):
        _read(external_id)


async def test_one_is_issued_before_the_connection_exists_and_is_its_own_then(database: Database) -> None:
    registry = a_registry(database, settings_of(external_ids="issued"))
    ids = ExternalIds(database=database, workspace="main")
    issued = await ids.issue("acme", actor="alice")
    assert re.fullmatch(r"[A-Za-z0-9]{32}", issued)
    created = await registry.create(WITHOUT, **BY_ALICE)
    assert created.describe()["external_id"] == issued
    await registry.remove("acme", **BY_ALICE)
    assert (await registry.create(WITHOUT, **BY_ALICE)).describe()["external_id"] == issued
    assert await ids.issue("acme", actor="bob") == issued
    lines = await Audit(database=database, workspace="main").lines(limit=9, action="external ID issued")
    assert [(line.actor, line.object) for line in lines] == [("alice", "connection:acme")]
    assert issued not in str(lines)


async def test_no_two_owners_have_the_same_one(database: Database) -> None:
    found = [
        await ExternalIds(database=database, workspace=workspace).issue(name, actor="alice", what=what)
        for workspace in ("main", "blue")
        for name in ("acme", "other")
        for what in ("connection", "role")
    ]
    assert len(set(found)) == 8


async def test_of_many_who_ask_at_once_all_get_the_same_one(tmp_path: Path, kind: Kind) -> None:
    """In two processes: each has its own engine."""
    async with a_catalog(tmp_path, kind) as one, a_catalog(tmp_path, kind) as other:
        asked = [
            ExternalIds(database=database, workspace="main").issue("acme", actor="alice")
            for database in (one, other)
            for _ in range(4)
        ]
        assert len(set(await asyncio.gather(*asked))) == 1
        assert len(await one.read(lambda tx: tx.execute(sa.select(external_ids)).all())) == 1


@pytest.mark.parametrize("ways", ["connection", "role"])
async def test_a_customers_own_is_possible_where_the_operator_allows_it(database: Database, ways: str) -> None:
    async def add(**settings: Any) -> str | None:
        if ways == "connection":
            made = await a_registry(database, settings_of(**settings)).create(A_ROLE, **BY_ALICE)
            return str(made.describe()["external_id"])
        roles = Roles(database=database, settings=settings_of(**settings), workspace="main")
        return (await roles.add({"name": "acme", "role_arn": ROLE, "external_id": "ext-1"}, actor="alice")).external_id

    with pytest.raises(ConnectionRuleError, match=r"external IDs are issued here.*LONGSHORE_EXTERNAL_IDS=any"):
        await add(external_ids="issued")
    assert await add(external_ids="any") == "ext-1"


async def test_the_issued_one_may_be_named(database: Database) -> None:
    registry = a_registry(database, settings_of(external_ids="issued"))
    issued = await ExternalIds(database=database, workspace="main").issue("acme", actor="alice")
    created = await registry.create(A_ROLE | {"external_id": issued}, **BY_ALICE)
    assert created.describe()["external_id"] == issued
    with pytest.raises(ConnectionRuleError, match="issued here"):
        await registry.update("acme", {"external_id": "ext-2"}, **BY_ALICE)
    assert (await registry.update("acme", {"external_id": None}, **BY_ALICE)).describe()["external_id"] is None
    assert (await registry.update("acme", {"external_id": issued}, **BY_ALICE)).describe()["external_id"] == issued


@pytest.mark.acceptance("CO-14")
@pytest.mark.parametrize(("open_roles", "refused"), [("refuse", True), ("declared", False), ("allow", False)])
async def test_none_at_all_is_what_somebody_says_and_the_operator_may_forbid(
    database: Database,
    open_roles: str,
    refused: bool,
) -> None:
    registry = a_registry(database, settings_of(open_roles=open_roles))
    if refused:
        with pytest.raises(ConnectionRuleError, match="LONGSHORE_OPEN_ROLES=refuse forbids that"):
            await registry.create(A_ROLE | {"external_id": None}, **BY_ALICE)
        return
    (warning,) = (await registry.create(A_ROLE | {"external_id": None}, **BY_ALICE)).warnings()
    assert "has no external ID" in warning


@pytest.mark.parametrize("whose", ["another connection's", "a role's", "another workspace's"])
async def test_an_id_that_was_issued_is_nobody_elses_own_though_any_may_be_brought(
    database: Database, whose: str
) -> None:
    """Whoever copies it would read what its owner's role lets in."""
    workspace = "blue" if whose == "another workspace's" else "main"
    ids = ExternalIds(database=database, workspace=workspace)
    issued = await ids.issue(
        "acme" if whose != "another connection's" else "other",
        actor="alice",
        what="role" if whose == "a role's" else "connection",
    )
    registry = a_registry(database, settings_of(external_ids="any"))
    roles = Roles(database=database, settings=settings_of(external_ids="any"), workspace="main")
    copied: dict[str, Any] = {"external_id": issued}
    with pytest.raises(ConnectionRuleError, match="external IDs are issued here"):
        await registry.create(A_ROLE | copied, **BY_ALICE)
    with pytest.raises(ConnectionRuleError, match="external IDs are issued here"):
        await roles.add({"name": "copy", "role_arn": ROLE} | copied, actor="alice")
    await registry.create(A_ROLE, **BY_ALICE)
    await roles.add({"name": "copy", "role_arn": ROLE}, actor="alice")
    with pytest.raises(ConnectionRuleError, match="external IDs are issued here"):
        await registry.update("acme", copied, **BY_ALICE)
    with pytest.raises(ConnectionRuleError, match="external IDs are issued here"):
        await roles.update("copy", copied, actor="alice")
