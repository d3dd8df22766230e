"""A PostgreSQL whose language sorts otherwise: names are found and sorted by their bytes all the same."""

from __future__ import annotations

from pathlib import Path

from tests.unit.credentials.connections import A_ROLE, BY_ALICE, a_catalog, a_registry

NAMES = ["a-b", "a1", "a_b", "ab", "b-a", "b0"]


async def test_connections_are_listed_by_the_bytes_of_their_names(tmp_path: Path) -> None:
    async with a_catalog(tmp_path, "linguistic") as database:
        registry = a_registry(database)
        for name in reversed(NAMES):
            await registry.create(A_ROLE | {"name": name}, **BY_ALICE)
        assert [one.name for one in await registry.list(workspace="main")][1:] == sorted(NAMES, key=str.encode)
        assert [(await registry.get(name, workspace="main")).name for name in NAMES] == NAMES
