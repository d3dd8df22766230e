"""The harness works from end to end, at a size that costs nothing; so that it can't rot between two real measurements."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

import pytest

from benchmarks.measure import ToolError, run_measured
from benchmarks.report import page
from benchmarks.run import measure
from benchmarks.verify import WrongRowsError, check_rows
from benchmarks.works import Work, works


def test_every_tool_is_run_counted_and_shown_in_the_table(tmp_path: Path) -> None:
    """Ours is checked row by row on the way; a peer that is not here is named and fails nothing."""
    work = Work(
        name="list",
        title="tiny",
        kind="list",
        shape="dates",
        keys=2000,
        repeat=1,
        peers=("floor", "aiobotocore", "s5cmd"),
    )
    results = {result.tool: result for result in measure([work], python=Path(sys.executable))}
    assert {name: result.objects for name, result in results.items() if result.runs} == {
        "longshore": 2000,
        "floor": 2000,
        "aiobotocore": 2000,
    }
    assert results["s5cmd"].missing == "not here"
    assert results["aiobotocore"].over_fewest == 1.0
    assert results["longshore"].runs[0].usage.cpu_s > 0
    text = page(list(results.values()), command="a command", load=0.0)
    assert "| **longshore** | 1 | 2,000 |" in text
    assert "- s5cmd: not here" in text
    assert json.dumps([result.as_json() for result in results.values()])


def test_a_rerun_is_held_against_bare_listing(tmp_path: Path) -> None:
    work = Work(
        name="rerun", title="again", kind="list", shape="tiny", keys=1500, unchanged=True, repeat=1, peers=("bare",)
    )
    ours, bare = measure([work], python=Path(sys.executable))
    assert (ours.runs[0].sent("head"), bare.objects) == (0, 1500)


def test_a_program_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"ended with 3 .* so sad"):
        run_measured(
            [sys.executable, "-c", "import sys; print('so sad', file=sys.stderr); sys.exit(3)"],
            environment={},
            folder=tmp_path,
            printed=tmp_path / "printed",
            timeout_s=30,
        )


def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="ended with -9"):
        run_measured(
            [sys.executable, "-c", "import time; time.sleep(60)"],
            environment={},
            folder=tmp_path,
            printed=tmp_path / "printed",
            timeout_s=0.2,
        )


def test_rows_that_differ_from_the_bucket_are_found(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.db"
    with sqlite3.connect(catalog) as database:
        database.execute("CREATE TABLE assets (key, size, etag, state, depth)")
    database.close()
    with pytest.raises(WrongRowsError, match="row 0"):
        check_rows(catalog, shape="flat", keys=1, depth="list")


def test_a_quick_run_has_every_work_of_a_whole_one() -> None:
    quick = works(quick=True, repeat=None, keys=None)
    assert [work.name for work in quick] == [work.name for work in works(quick=False, repeat=None, keys=None)]
    assert max(work.keys for work in quick) == 10_000
    assert {work.keys for work in works(quick=True, repeat=2, keys=7)} == {7}
