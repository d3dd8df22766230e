"""`longshore secrets rotate` killed with SIGKILL: the next one finishes what it left, and every secret opens throughout."""

from __future__ import annotations

import asyncio

import pytest

from config.database import open_database
from credentials.registry import Registry
from credentials.vault import Vault, new_key
from tests.acceptance.shell import Shell
from tests.unit.credentials.connections import A_KEY, CANARY, settings_of

COUNT = 200
OLD, NEW = new_key("old"), new_key("new")


async def _store(url: str) -> None:
    settings = settings_of(secret_keys=OLD)
    async with open_database(url) as database:
        registry = Registry(database=database, vault=Vault.from_settings(settings), settings=settings)
        for number in range(COUNT):
            fields = A_KEY | {"name": f"c{number}", "secret_access_key": f"{CANARY}-{number}"}
            await registry.create(fields, workspace="main", actor="alice")


async def _opened(url: str, keys: str) -> list[str]:
    settings = settings_of(secret_keys=keys)
    async with open_database(url) as database:
        registry = Registry(database=database, vault=Vault.from_settings(settings), settings=settings)
        kept = [one for one in await registry.list(workspace="main") if one.kind == "aws_keys"]
        return sorted([await registry.secret(one) for one in kept])


@pytest.mark.acceptance("CR-10", "CR-11")
def test_a_rotation_that_is_killed_is_finished_by_the_next(shell: Shell) -> None:
    url = shell.environment["LONGSHORE_CATALOG_URL"]
    asyncio.run(_store(url))
    shell.environment |= {"LONGSHORE_SECRET_KEYS": f"{NEW},{OLD}", "LONGSHORE_LIMITS__SECRETS_PER_COMMIT": "1"}
    with shell.process("secrets", "rotate") as process:
        assert process.stderr is not None
        assert any(line.endswith(" 10 sealed anew\n") for line in process.stderr)
        process.kill()
        process.wait()
    expected = sorted(f"{CANARY}-{number}" for number in range(COUNT))
    assert asyncio.run(_opened(url, f"{NEW},{OLD}")) == expected
    left = {one["key"]: one["secrets"] for one in shell.ok("secrets", "list", "--json").json["keys"]}
    assert 10 <= left["new"] < COUNT
    done = shell.ok("secrets", "rotate", "--json").json
    assert (done["resealed"], done["fine"]) == (left["old"], left["new"])
    assert asyncio.run(_opened(url, NEW)) == expected
