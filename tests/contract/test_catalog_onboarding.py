"""The audit only grows, whoever tries; and a catalog of before audiences, roles and external IDs keeps what it has."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from config.database import Database, open_database
from config.migrating import upgrade
from config.versions import MIGRATIONS
from credentials import audit
from credentials.audit import Audit
from tests.postgres import Kind, catalog_url
from tests.unit.credentials.connections import A_ROLE, BY_ALICE, KEYS, a_catalog, a_registry, settings_of

SPEC = {name: value for name, value in A_ROLE.items() if name != "name"} | {"name": "acme"}


@pytest.fixture
async def database(tmp_path: Path, kind: Kind) -> AsyncGenerator[Database]:
    async with a_catalog(tmp_path, kind) as opened:
        yield opened


async def _lines(database: Database) -> list[tuple[str, str]]:
    return [(line.action, line.actor) for line in await Audit(database=database, workspace="main").lines(limit=99)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE id = 1",
        "INSERT OR REPLACE INTO audit SELECT id, at, workspace, 'nobody', action, object, detail FROM audit",
        "TRUNCATE audit",
    ],
)
async def test_no_line_of_the_audit_is_changed_or_deleted(database: Database, kind: Kind, statement: str) -> None:
    if ("REPLACE" in statement) != (kind == "sqlite") and ("REPLACE" in statement or "TRUNCATE" in statement):
        pytest.skip("the other database's word")
    trail = Audit(database=database, workspace="main")
    for number in range(3):
        await trail.note("tested", on=f"connection:{number}", actor="alice")
    with pytest.raises(Exception, match="the audit is append-only"):
        await database.transaction(lambda tx: tx.execute(sa.text(statement)).rowcount)
    assert await _lines(database) == [("tested", "alice")] * 3
    await trail.note("tested", on="connection:3", actor="bob")
    assert len(await _lines(database)) == 4


async def test_the_audit_is_asked_for_by_what_by_action_and_since_when(database: Database) -> None:
    trail, other = Audit(database=database, workspace="main"), Audit(database=database, workspace="blue")
    for action, on in (("created", "connection:a"), ("updated", "connection:a"), ("created", "role:b")):
        await trail.note(action, on=on, actor="alice", detail={"changed": ["region"]})
    await other.note("created", on="connection:a", actor="eve")
    lines = await trail.lines(limit=9)
    assert [(line.action, line.object, line.workspace) for line in lines] == [
        ("created", "connection:a", "main"),
        ("updated", "connection:a", "main"),
        ("created", "role:b", "main"),
    ]
    assert [line.number for line in lines] == sorted(line.number for line in lines)
    assert lines[0].detail == {"changed": ["region"]}
    assert await trail.lines(limit=2) == lines[1:]
    assert await trail.lines(limit=9, on="connection:a") == lines[:2]
    assert await trail.lines(limit=9, action="created") == [lines[0], lines[2]]
    assert await trail.lines(limit=9, since=lines[-1].at + 1) == []
    assert lines[-1] in await trail.lines(limit=9, since=lines[-1].at)


async def test_a_line_is_written_with_what_it_tells_or_not_at_all(database: Database) -> None:
    def fails(tx: sa.Connection) -> None:
        audit.note(tx, workspace="main", actor="alice", action="created", on="connection:a")
        raise KeyError("something else")

    with pytest.raises(KeyError):
        await database.transaction(fails)
    assert await _lines(database) == []


async def _at_0006(kind: Kind, folder: Path, work: Callable[[sa.Connection], None]) -> str:
    """A catalog of that version, in which `work` was done before it was migrated."""

    def play(tx: sa.Connection) -> None:
        upgrade(tx, MIGRATIONS, to="0006")
        work(tx)
        upgrade(tx, MIGRATIONS)

    if kind == "sqlite":
        url = f"sqlite:///{folder}/older.db"
        engine = sa.create_engine(url)
        with engine.begin() as tx:
            play(tx)
        engine.dispose()
        return url

    def anew(tx: sa.Connection) -> None:
        tx.execute(sa.text("DROP SCHEMA public CASCADE"))
        tx.execute(sa.text("CREATE SCHEMA public"))
        play(tx)

    url = catalog_url(kind, folder)
    async with open_database(url) as database:
        await database.transaction(anew)
    return url


async def test_a_catalog_of_before_keeps_its_connections_and_its_audit(kind: Kind, tmp_path: Path) -> None:
    row: dict[str, Any] = {
        "id": "c0ffee",
        "workspace": "main",
        "name": "acme",
        "kind": "aws_role",
        "spec": json.dumps(SPEC),
        "version": 3,
        "created_at": 1,
        "updated_at": 2,
    }
    line = {
        "at": 1,
        "workspace": "main",
        "actor": "alice",
        "action": "created",
        "object": "connection:acme",
        "detail": "{}",
    }

    def before(tx: sa.Connection) -> None:
        for table, values in (("connections", row), ("audit", line)):
            columns = ", ".join(values)
            tx.execute(sa.text(f"INSERT INTO {table} ({columns}) VALUES (:{', :'.join(values)})"), values)

    async with open_database(await _at_0006(kind, tmp_path, before)) as database:
        registry = a_registry(database, settings_of(secret_keys=KEYS))
        kept = await registry.get("acme", workspace="main")
        assert (kept.id, kept.version, kept.spec.audience, kept.trust) == ("c0ffee", 3, "workspace", None)
        assert kept.describe()["external_id"] == "ext-1"
        assert await _lines(database) == [("created", "alice")]
        changed = await registry.update("acme", {"audience": "organisation"}, **BY_ALICE)
        assert (changed.version, (await registry.get("acme", workspace="blue")).own) == (4, False)
        with pytest.raises(Exception, match="the audit is append-only"):
            await database.transaction(lambda tx: tx.execute(sa.text("DELETE FROM audit")).rowcount)
