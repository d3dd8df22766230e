"""Connections whose secret lives elsewhere: checked when they are made, read when they are used, read anew once refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import sqlalchemy as sa

from config.database import Database
from config.errors import (
    ConnectionRuleError,
    ConnectionSetupError,
    KeyRefusedError,
    LongshoreError,
    SecretReferenceError,
    SecretUnavailableError,
)
from config.limits import Limits
from credentials.access import KeyAccess
from credentials.connection import KeyPair
from credentials.references import References
from credentials.registry import Registry
from credentials.rotation import Rotated, Secrets
from credentials.session import Session
from credentials.tables import connections
from credentials.vault import Vault
from tests.fakes.clock import ManualClock
from tests.postgres import Kind
from tests.unit.credentials.connections import BY_ALICE, CANARY, KEY_ID, a_catalog, settings_of

A_KEY = {"kind": "aws_keys", "name": "keys", "access_key_id": KEY_ID, "allow": ["s3://acme"]}
BASIC = {"kind": "https_basic", "name": "basic", "username": "us", "allow": ["https://files.example.com/"]}
BEARER = {"kind": "https_bearer", "name": "bearer", "allow": ["https://files.example.com/"]}


class NoManager:
    """Nobody asks AWS."""

    async def read(self, name: str, *, region: str | None) -> str:
        raise SecretUnavailableError(f"{name} in {region}")


class Bench:
    """A registry before variables that a test may change."""

    def __init__(self, database: Database, *allowed: str) -> None:
        self.database = database
        self.environment = {"ACME_SECRET": CANARY}
        self.settings = settings_of(secret_references=allowed, secret_keys=None)
        self.references = References(
            settings=self.settings, manager=NoManager(), clock=ManualClock(), environment=self.environment
        )
        self.registry = Registry(database=database, vault=Vault(), settings=self.settings, references=self.references)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with a_catalog(tmp_path) as database:
        yield Bench(database, "env://ACME_")


@pytest.mark.parametrize("fields", [A_KEY, BASIC, BEARER], ids=lambda fields: str(fields["kind"]))
@pytest.mark.acceptance("CR-10", "CR-11")
async def test_a_secret_elsewhere_needs_no_key_of_ours_and_is_read_when_it_is_used(
    bench: Bench, fields: dict[str, object], tmp_path: Path
) -> None:
    made = await bench.registry.create(fields | {"secret_from": "env://ACME_SECRET"}, **BY_ALICE)
    assert await bench.registry.secret(made) == CANARY
    kept = await Secrets(database=bench.database, vault=Vault(), limits=Limits()).kept()
    assert [(one.reference, one.key_id, one.set_at) for one in kept] == [("env://ACME_SECRET", None, None)]
    assert CANARY not in repr(made) + repr(kept) + repr(made.describe())
    assert not [name for name, content in _files(tmp_path).items() if CANARY.encode() in content]


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("fields", [A_KEY, BASIC, BEARER], ids=lambda fields: str(fields["kind"]))
@pytest.mark.parametrize(
    "reference",
    ["env://HOME", "env://LONGSHORE_SECRET_KEYS", "file:///etc/passwd", "awssm://longshore/x", "env://ACME-"],
)
async def test_what_the_operator_does_not_allow_is_refused_before_anything_is_written(
    bench: Bench, fields: dict[str, object], reference: str
) -> None:
    with pytest.raises(ConnectionSetupError, match="secret_from: "):
        await bench.registry.create(fields | {"secret_from": reference}, **BY_ALICE)
    assert [one.name for one in await bench.registry.list(workspace="main")] == ["default"]
    await bench.registry.create(fields | {"secret_from": "env://ACME_SECRET"}, **BY_ALICE)
    with pytest.raises(ConnectionSetupError, match="secret_from: "):
        await bench.registry.update(str(fields["name"]), {"secret_from": reference}, **BY_ALICE)


async def test_what_the_operator_allows_no_more_is_read_no_more(bench: Bench) -> None:
    made = await bench.registry.create(A_KEY | {"secret_from": "env://ACME_SECRET"}, **BY_ALICE)
    narrower = Bench(bench.database, "env://OTHER_")
    with pytest.raises(SecretReferenceError, match="must begin with env://OTHER_") as caught:
        await narrower.registry.secret(made)
    assert CANARY not in str(caught.value)


async def test_a_rotation_has_nothing_to_do_with_secrets_elsewhere(bench: Bench) -> None:
    await bench.registry.create(A_KEY | {"secret_from": "env://ACME_SECRET"}, **BY_ALICE)
    secrets = Secrets(database=bench.database, vault=Vault([("k", bytes(32))]), limits=Limits())
    assert await secrets.rotate(actor="bob", progress=lambda _done: None) == Rotated()


@pytest.mark.acceptance("IN-16")
async def test_an_access_key_can_be_changed_in_place_and_moved_elsewhere_and_back(tmp_path: Path, kind: Kind) -> None:
    async with a_catalog(tmp_path, kind) as database:
        bench = Bench(database, "env://ACME_")
        settings = settings_of()
        vault = Vault.from_settings(settings)
        registry = Registry(database=database, vault=vault, settings=settings, references=bench.references)
        made = await registry.create(A_KEY | {"secret_access_key": f"{CANARY}-0"}, **BY_ALICE)
        secrets = Secrets(database=database, vault=vault, limits=Limits())
        for number, (change, expected, key_id) in enumerate(
            [
                ({"secret_access_key": f"{CANARY}-1"}, f"{CANARY}-1", "k1"),
                ({"access_key_id": "AKIAANOTHERKEY000002", "secret_access_key": f"{CANARY}-2"}, f"{CANARY}-2", "k1"),
                ({"secret_from": "env://ACME_SECRET"}, CANARY, None),
                ({"access_key_id": KEY_ID, "secret_from": "env://ACME_SECRET"}, CANARY, None),
                ({"secret_access_key": f"{CANARY}-3"}, f"{CANARY}-3", "k1"),
            ],
            start=2,
        ):
            changed = await registry.update("keys", change, **BY_ALICE)
            assert (changed.id, changed.version) == (made.id, number)
            assert await registry.secret(changed) == expected
            assert [one.key_id for one in await secrets.kept()] == [key_id]
        sealed = await database.read(lambda tx: tx.execute(sa.select(connections.c.sealed)).scalars().all())
        assert [one is not None for one in sealed] == [True]
        for fixed in ({"kind": "https_basic"}, {"name": "other"}, {"role_arn": "arn"}):
            with pytest.raises(ConnectionRuleError, match="can't be changed"):
                await registry.update("keys", fixed, **BY_ALICE)


# -- an access key that was refused


class Keys:
    """What the registry would read."""

    def __init__(self, *secrets: str | LongshoreError) -> None:
        self.coming, self.asked = list(secrets), 0

    async def again(self) -> KeyPair:
        self.asked += 1
        await asyncio.sleep(0)
        found = self.coming[min(self.asked, len(self.coming)) - 1]
        if isinstance(found, LongshoreError):
            raise found
        key_id, _, secret = found.partition("/")
        return KeyPair(access_key_id=key_id, secret_access_key=secret)


def _access(keys: Keys) -> KeyAccess:
    return KeyAccess(KeyPair(access_key_id="old", secret_access_key="1"), connection="keys", again=keys.again)


async def test_a_refused_key_is_read_anew_and_the_next_one_signs() -> None:
    keys = Keys("new/2")
    access = _access(keys)
    await access.reject("old")
    assert await access.session() == Session(access_key_id="new", secret_access_key="2")
    await access.reject("old")  # of a request that was on its way
    assert await access.session() == Session(access_key_id="new", secret_access_key="2")
    assert keys.asked == 1
    await access.reject("new")
    with pytest.raises(KeyRefusedError):
        await access.session()
    assert keys.asked == 2


async def test_many_refusals_of_one_key_read_it_once() -> None:
    keys = Keys("new/2", "old/1")
    access = _access(keys)
    await asyncio.gather(*(access.reject("old") for _ in range(50)))
    assert keys.asked == 1
    assert (await access.session()).access_key_id == "new"


async def test_a_key_that_is_still_the_same_is_refused_and_asked_for_no_more() -> None:
    keys = Keys("old/1")
    access = _access(keys)
    await access.renew()
    await access.renew()
    assert (await access.session()).access_key_id == "old"
    await access.reject("old")
    with pytest.raises(KeyRefusedError):
        await access.session()
    assert keys.asked == 1


async def test_while_nobody_can_say_whether_there_is_another_key_none_is_refused() -> None:
    keys = Keys(SecretUnavailableError("throttled"), "new/2")
    access = _access(keys)
    with pytest.raises(SecretUnavailableError):
        await access.reject("old")
    await access.reject("old")
    assert (await access.session()).access_key_id == "new"


async def test_a_secret_that_was_replaced_elsewhere_is_used_after_one_refusal(bench: Bench) -> None:
    made = await bench.registry.create(A_KEY | {"secret_from": "env://ACME_SECRET"}, **BY_ALICE)
    assert (await bench.registry.keys(made)).secret_access_key == CANARY
    bench.environment["ACME_SECRET"] = f"{CANARY}-next"
    assert (await bench.registry.keys(made)).secret_access_key == CANARY
    assert (await bench.registry.keys(made, fresh=True)).secret_access_key == f"{CANARY}-next"
