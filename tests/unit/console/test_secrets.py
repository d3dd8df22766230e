"""`longshore secrets`: what it says, and what it never says."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.database import Database, open_database
from config.settings import Settings
from console.cli import run
from credentials.registry import Registry
from credentials.vault import Vault, new_key
from tests.unit.credentials.connections import A_KEY, A_ROLE, BY_ALICE, CANARY, long_ago
from worker.service import open_service

OLD, NEW = new_key("old"), new_key("new")
DAY_MS = 86_400_000


@pytest.fixture(autouse=True)
def _catalog(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "LONGSHORE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LONGSHORE_CATALOG_URL", f"sqlite:///{tmp_path / 'catalog.db'}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("LONGSHORE_SECRET_KEYS", OLD)


@asynccontextmanager
async def _opened() -> AsyncGenerator[tuple[Database, Registry]]:
    settings = Settings.load()
    async with open_database(settings.catalog_url) as database:
        yield database, Registry(database=database, vault=Vault.from_settings(settings), settings=settings)


@pytest.fixture
def stored(_catalog: None) -> None:
    """Two access keys, of which one is old, and a role, which has no secret."""

    async def store() -> None:
        async with _opened() as (database, registry):
            await registry.create(A_KEY | {"name": "acme"}, **BY_ALICE)
            await database.transaction(lambda tx: long_ago(tx, 100 * DAY_MS))
            await registry.create(A_KEY | {"name": "blue"}, workspace="blue", actor="alice")
            await registry.create(A_ROLE | {"name": "role", "external_id": None}, **BY_ALICE)

    asyncio.run(store())


def _said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(["secrets", *arguments])
    out, err = capsys.readouterr()
    for secret in (CANARY, OLD.split(":")[1], NEW.split(":")[1], "sealed:"):
        assert secret not in out + err
    return code, out, err


def test_a_key_is_made_that_can_be_used_at_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["secrets", "key"]) == 0
    key = capsys.readouterr().out.strip()
    name, _, text = key.partition(":")
    assert name.startswith("k20")
    assert len(base64.b64decode(text, validate=True)) == 32
    monkeypatch.setenv("LONGSHORE_SECRET_KEYS", f"{key},{OLD}")
    assert _said(capsys, "list")[1].splitlines() == [
        "no connection has a secret, which is best: roles need none",
        f"key {name}: 0 secrets; seals what is stored from now on",
        "key old: 0 secrets; unused; it can be taken out",
    ]
    assert run(["secrets", "key"]) == 0
    other = capsys.readouterr().out.strip()
    assert other.partition(":")[0] != name, "the one before goes behind it, on the same day too"
    monkeypatch.setenv("LONGSHORE_SECRET_KEYS", f"{other},{key}")
    assert _said(capsys, "list")[0] == 0
    assert run(["secrets", "key", "--id", "a:b"]) == 2
    assert "1 to 32 letters" in capsys.readouterr().err


@pytest.mark.usefixtures("stored")
def test_a_list_tells_keys_and_ages(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _said(capsys, "list")
    assert code == 0
    assert out.splitlines() == [
        "workspace  connection  kind      sealed with  age",
        "blue       blue        aws_keys  key old      0 days",
        "main       acme        aws_keys  key old      100 days",
        "key old: 2 secrets; seals what is stored from now on",
    ]
    assert "the access key of connection acme in workspace main was stored 100 days ago" in err
    assert "blue" not in err


@pytest.mark.usefixtures("stored")
@pytest.mark.acceptance("CR-10", "CR-11")
def test_keys_are_replaced_step_by_step(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_SECRET_KEYS", NEW)
    code, out, err = _said(capsys, "list")
    assert "key old: 2 secrets; not set" in out
    assert "2 secrets can't be opened without key 'old'" in err
    code, out, err = _said(capsys, "rotate")
    assert (code, out) == (1, "key new: 0 sealed anew, 0 already fine, 2 could not be opened\n")
    assert (
        "connection acme in workspace main: a stored secret was sealed with key 'old', and the keys set are: new" in err
    )
    monkeypatch.setenv("LONGSHORE_SECRET_KEYS", f"{NEW},{OLD}")
    assert "key old: 2 secrets; `longshore secrets rotate` seals anew" in _said(capsys, "list")[1]
    monkeypatch.setenv("LONGSHORE_LIMITS__SECRETS_PER_COMMIT", "1")
    code, out, err = _said(capsys, "rotate")
    assert (code, out) == (0, "key new: 2 sealed anew, 0 already fine, 0 could not be opened\n")
    assert err.splitlines() == ["1 secret looked at, 1 sealed anew", "2 secrets looked at, 2 sealed anew"]
    code, out, _ = _said(capsys, "rotate", "--json")
    assert json.loads(out) == {"key": "new", "resealed": 0, "fine": 2, "changed": 0, "not_opened": []}
    monkeypatch.setenv("LONGSHORE_SECRET_KEYS", NEW)
    _, out, _ = _said(capsys, "list", "--json")
    listed = json.loads(out)
    assert listed["keys"] == [{"key": "new", "secrets": 2, "set": True, "seals": True}]
    assert [(one["connection"], one["key"], one["age_days"]) for one in listed["secrets"]] == [
        ("blue", "new", 0),
        ("acme", "new", 100),
    ]


@pytest.mark.usefixtures("stored")
def test_another_key_under_the_same_id_is_found_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_SECRET_KEYS", new_key("old"))
    code, out, err = _said(capsys, "rotate")
    assert (code, out) == (1, "key old: 0 sealed anew, 0 already fine, 2 could not be opened\n")
    assert "LONGSHORE_SECRET_KEYS holds another key under that ID" in err


@pytest.mark.usefixtures("stored")
def test_without_a_key_there_is_nothing_to_seal_with(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LONGSHORE_SECRET_KEYS")
    code, out, err = _said(capsys, "rotate")
    assert (code, out) == (1, "")
    assert "`longshore secrets key` makes one" in err


def test_a_secret_that_lives_elsewhere_is_listed_by_its_reference(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_SECRET_REFERENCES", "env://ACME_")
    monkeypatch.setenv("ACME_SECRET", CANARY)

    async def store() -> str:
        elsewhere = {name: value for name, value in A_KEY.items() if name != "secret_access_key"}
        async with open_service(Settings.load(), observe=lambda _event: None) as service:
            made = await service.registry.create(elsewhere | {"secret_from": "env://ACME_SECRET"}, **BY_ALICE)
            return await service.registry.secret(made)

    assert asyncio.run(store()) == CANARY
    _, out, err = _said(capsys, "list")
    assert out.splitlines()[1] == "main       keys        aws_keys  env://ACME_SECRET  lives elsewhere"
    assert err == ""
    assert _said(capsys, "rotate")[1] == "key old: 0 sealed anew, 0 already fine, 0 could not be opened\n"
    monkeypatch.setenv("LONGSHORE_SECRET_REFERENCES", "ACME_")
    code, _, err = _said(capsys, "list")
    assert code == 1
    assert "LONGSHORE_SECRET_REFERENCES: 'ACME_' is not the beginning of a reference" in err
