"""Secrets are sealed anew under the first key: all of them, once, whatever happens meanwhile, and nobody sees one."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest
import sqlalchemy as sa

from config.database import Database
from config.errors import SecretKeyError
from config.limits import Limits
from credentials.registry import Registry
from credentials.rotation import Rotated, Secrets
from credentials.tables import audit, connections
from credentials.vault import Vault, key_id_of, new_key
from tests.postgres import Kind
from tests.unit.credentials.connections import (
    A_KEY,
    A_ROLE,
    BY_ALICE,
    CANARY,
    a_catalog,
    a_registry,
    long_ago,
    settings_of,
)

OLD, NEW = (f"{name}:{base64.b64encode(bytes([number]) * 32).decode()}" for name, number in (("k_1", 1), ("kx1", 2)))
"""Two names that LIKE would take for the same."""
BOTH = f"{NEW},{OLD}"
SMALL = Limits(secrets_per_commit=2)


class CrashError(Exception):
    """The process ends here."""


@pytest.fixture
async def database(tmp_path: Path, kind: Kind) -> AsyncGenerator[Database]:
    async with a_catalog(tmp_path, kind) as opened:
        yield opened


def _registry(database: Database, keys: str) -> Registry:
    return a_registry(database, settings_of(secret_keys=keys))


def _secrets(database: Database, keys: str = BOTH) -> Secrets:
    return Secrets(database=database, vault=Vault.from_settings(settings_of(secret_keys=keys)), limits=SMALL)


async def _store(database: Database, names: str, keys: str = OLD, *, workspace: str = "main") -> None:
    for name in names:
        fields = A_KEY | {"name": name, "secret_access_key": f"{CANARY}-{workspace}-{name}"}
        await _registry(database, keys).create(fields, workspace=workspace, actor="alice")


async def _opened(database: Database, name: str, keys: str = NEW, *, workspace: str = "main") -> str:
    registry = _registry(database, keys)
    return await registry.secret(await registry.get(name, workspace=workspace))


async def _rows(database: Database, table: sa.Table) -> list[dict[str, Any]]:
    return await database.read(
        lambda tx: [dict(row) for row in tx.execute(sa.select(table).order_by(table.c.id)).mappings()]
    )


async def _sealed_with(database: Database) -> set[str | None]:
    return {key_id_of(row["sealed"]) for row in await _rows(database, connections) if row["sealed"]}


async def _rotate(database: Database, keys: str = BOTH) -> Rotated:
    return await _secrets(database, keys).rotate(actor="bob", progress=lambda _done: None)


async def test_every_secret_of_every_workspace_comes_under_the_first_key(database: Database) -> None:
    await _store(database, "abc")
    await _store(database, "ab", workspace="blue")
    await _store(database, "new", NEW, workspace="blue")
    await _registry(database, OLD).create(A_ROLE, **BY_ALICE)
    await _registry(database, OLD).remove("c", **BY_ALICE)
    before = await _rows(database, connections)
    assert await _rotate(database) == Rotated(resealed=4, fine=3)
    after = await _rows(database, connections)
    assert [{**row, "sealed": None} for row in before] == [{**row, "sealed": None} for row in after]  # versions, too
    assert await _sealed_with(database) == {"kx1"}
    assert await _opened(database, "a") == f"{CANARY}-main-a"
    assert await _opened(database, "b", workspace="blue") == f"{CANARY}-blue-b"
    lines = [line for line in await _rows(database, audit) if line["action"] == "resealed"]
    assert sorted((line["workspace"], line["object"]) for line in lines) == [
        (workspace, f"connection:{name}") for workspace in ("blue", "main") for name in "ab"
    ]
    assert {(line["actor"], line["detail"]) for line in lines} == {("bob", '{"from": "k_1", "to": "kx1"}')}
    assert await _rotate(database) == Rotated(fine=7)
    assert [line for line in await _rows(database, audit) if line["action"] == "resealed"] == lines


async def test_a_rotation_that_dies_in_the_middle_is_finished_by_the_next(database: Database) -> None:
    await _store(database, "abcde")

    def die(done: Rotated) -> None:
        if done.resealed == 4:
            raise CrashError

    with pytest.raises(CrashError):
        await _secrets(database).rotate(actor="bob", progress=die)
    assert await _sealed_with(database) == {"k_1", "kx1"}
    for name in "abcde":
        assert await _opened(database, name, BOTH) == f"{CANARY}-main-{name}"
    assert await _rotate(database) == Rotated(resealed=1, fine=4)
    assert await _sealed_with(database) == {"kx1"}


class _Dying(Vault):
    """Dies with the third secret that it opens."""

    opened = itertools.count(1)

    def open(self, sealed: str, *, bound_to: Sequence[str]) -> str:
        if next(self.opened) == 3:
            raise CrashError
        return super().open(sealed, bound_to=bound_to)


async def test_a_transaction_that_dies_leaves_nothing_and_tells_nothing(database: Database) -> None:
    await _store(database, "abcde")
    before = await _rows(database, connections)
    vault = _Dying.from_settings(settings_of(secret_keys=BOTH))
    vault.opened = itertools.count(1)
    dying = Secrets(database=database, vault=vault, limits=Limits(secrets_per_commit=5))
    with pytest.raises(CrashError):
        await dying.rotate(actor="bob", progress=lambda _done: None)
    assert await _rows(database, connections) == before
    assert "resealed" not in {line["action"] for line in await _rows(database, audit)}
    assert await _rotate(database) == Rotated(resealed=5)


async def test_what_no_key_opens_is_named_and_the_rest_is_done(database: Database) -> None:
    await _store(database, "abc")
    await _store(database, "x", new_key("lost"))
    await _store(database, "y")
    moved = sa.update(connections).where(connections.c.name == "y")
    a = sa.select(connections.c.sealed).where(connections.c.name == "a").scalar_subquery()
    await database.transaction(lambda tx: tx.execute(moved.values(sealed=a)))
    done = await _rotate(database)
    assert (done.resealed, done.fine) == (3, 0)
    told = {one.connection: (one.key_id, one.why) for one in done.not_opened}
    assert {name: key for name, (key, _) in told.items()} == {"x": "lost", "y": "k_1"}
    assert "sealed with key 'lost', and the keys set are: kx1, k_1" in told["x"][1]
    assert "does not open with key 'k_1'" in told["y"][1]
    assert CANARY not in repr(done)


async def test_without_a_key_nothing_is_begun(database: Database) -> None:
    with pytest.raises(SecretKeyError, match="longshore secrets key"):
        await Secrets(database=database, vault=Vault(), limits=SMALL).rotate(actor="bob", progress=lambda _done: None)


async def test_a_newer_secret_is_never_lost_to_a_rotation(database: Database) -> None:
    await _store(database, "abcdefgh")
    registry = _registry(database, BOTH)
    both = [registry.update(name, {"secret_access_key": f"{CANARY}-new-{name}"}, **BY_ALICE) for name in "abcdefgh"]
    await asyncio.gather(*both[:4], _rotate(database), *both[4:], _rotate(database))
    for name in "abcdefgh":
        assert await _opened(database, name) == f"{CANARY}-new-{name}"


class _Meanwhile(Vault):
    """Something happens between the look at a row and its change."""

    happens = staticmethod(lambda: None)

    def open(self, sealed: str, *, bound_to: Sequence[str]) -> str:
        opened = super().open(sealed, bound_to=bound_to)
        with ThreadPoolExecutor(1) as thread:
            thread.submit(self.happens).result()
        return opened


async def test_a_secret_that_changes_between_the_look_and_the_write_is_left_alone(
    tmp_path: Path, kind: Kind, database: Database
) -> None:
    if kind == "sqlite":
        pytest.skip("SQLite lets nobody write meanwhile")
    await _store(database, "a")

    async def update() -> None:
        async with a_catalog(tmp_path, kind) as another:
            await _registry(another, OLD).update("a", {"secret_access_key": f"{CANARY}-newer"}, **BY_ALICE)

    vault = _Meanwhile.from_settings(settings_of(secret_keys=BOTH))
    vault.happens = lambda: asyncio.run(update())
    done = await Secrets(database=database, vault=vault, limits=SMALL).rotate(actor="bob", progress=lambda _done: None)
    assert done == Rotated(changed=1)
    assert await _opened(database, "a", OLD) == f"{CANARY}-newer"
    assert await _rotate(database) == Rotated(resealed=1)
    assert await _opened(database, "a") == f"{CANARY}-newer"


async def test_the_age_of_a_secret_is_that_of_the_secret(database: Database) -> None:
    """Other changes of its connection, and sealing it anew, make it no younger; a new secret does."""
    await _store(database, "abc")
    await database.transaction(lambda tx: long_ago(tx, 1_000_000))
    await _registry(database, OLD).update("a", {"region": "eu-west-1"}, **BY_ALICE)
    await _registry(database, OLD).update("b", {"secret_access_key": f"{CANARY}-new"}, **BY_ALICE)
    await _rotate(database)
    a, b, c = await _secrets(database).kept()
    assert [one.connection for one in (a, b, c)] == ["a", "b", "c"]
    assert {one.key_id for one in (a, b, c)} == {"kx1"}
    assert c.set_at is not None
    assert b.set_at is not None
    assert a.set_at == c.set_at < b.set_at - 900_000


async def test_what_is_listed_holds_no_secret(database: Database) -> None:
    await _store(database, "ab")
    kept = await _secrets(database).kept()
    assert [(one.workspace, one.kind, one.reference) for one in kept] == [("main", "aws_keys", None)] * 2
    assert CANARY not in repr(kept)
    assert "sealed:" not in repr(kept)


def _only_file(folder: Path) -> bytes:
    (path,) = folder.iterdir()
    return path.read_bytes()


@pytest.mark.acceptance("CR-10", "CR-11")
async def test_neither_the_secret_nor_what_an_old_key_opens_stays_in_the_file(tmp_path: Path) -> None:
    async with a_catalog(tmp_path) as database:
        await _store(database, ascii_lowercase)
        old = [row["sealed"] for row in await _rows(database, connections)]
        await _rotate(database)
    content = _only_file(tmp_path)  # the log went when the last process closed it
    assert b"sealed:1:kx1:" in content
    assert not [one for one in old if one.encode() in content]
    assert CANARY.encode() not in content
