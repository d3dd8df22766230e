"""How PostgreSQL finds what is known of a page: by one range of the key's index, however large the table and whatever it knows of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from config.database import open_database
from ingest.catalog import knowing
from ingest.catalog.assets import Asset, Place, bring, records_of
from ingest.catalog.knowing import known
from ingest.model import Range
from ingest.wanted import Wanted
from tests.postgres import Kind, catalog_url

PLACE = Place("c", "bucket-a")
KEYS = 20_000


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", []) for node in nodes(part))]


@pytest.mark.parametrize("kind", ["postgres", "linguistic"])
@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize(
    "within", [Range(b"00005000", b"00006000"), Range(b"00005000"), Range()], ids=["between", "from", "all"]
)
async def test_a_page_is_found_by_one_range_of_the_index(
    tmp_path: Path, kind: Kind, analyzed: bool, within: Range, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, tuple[Any, ...]]] = []
    ask = knowing.rows_of

    def noting(tx: sa.Connection, statement: str, values: tuple[Any, ...]) -> list[Any]:
        asked.append((statement, values))
        return ask(tx, statement, values)

    monkeypatch.setattr(knowing, "rows_of", noting)

    def fill(tx: sa.Connection) -> None:
        keys = [b"%08d" % (number * 7919 % KEYS) for number in range(KEYS)]  # the table lies in no order
        for at in range(0, KEYS, 5000):
            one = [Asset(key, 1, "e" * 32, "t", "STANDARD", "", "present", "list") for key in keys[at : at + 5000]]
            bring(tx, [records_of(sorted(one))])(PLACE, "r")
        if analyzed:
            tx.execute(sa.text("ANALYZE assets"))

    async with open_database(catalog_url(kind, tmp_path)) as database:
        await database.transaction(fill)
        for _ in range(8):  # a plan may be made anew after some
            found = await database.read(
                lambda tx: known(tx, PLACE, prefix=b"0", within=within, wanted=Wanted("list"), limit=1000)
            )
            assert found.count == 1000

        def explain(tx: sa.Connection) -> list[dict[str, Any]]:
            statement, values = asked[-1]
            plan = tx.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values).scalar_one()
            return nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])

        plan = await database.read(explain)
    scans = [node for node in plan if "Scan" in node["Node Type"] and node["Node Type"] != "Subquery Scan"]
    assert [node["Node Type"] for node in scans] == ["Index Scan"], plan
    assert "key >" in scans[0]["Index Cond"]
    assert not [node for node in plan if "Sort" in node["Node Type"]]
    assert scans[0]["Actual Rows"] <= 1000
    assert scans[0].get("Rows Removed by Filter", 0) == 0
