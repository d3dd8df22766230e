"""How many cores there are to use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.cores import quota_cores, usable_cores


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("max 100000\n", None),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("1000 100000\n", 1),
        ("0 100000", None),
        ("100000 0", None),
        ("", None),
        ("one two", None),
        ("1 2 3", None),
    ],
)
def test_a_container_s_share_is_rounded_up_to_whole_cores(text: str, cores: int | None) -> None:
    assert quota_cores(text) == cores


@given(st.text())
def test_whatever_stands_there_is_a_number_of_cores_or_none(text: str) -> None:
    cores = quota_cores(text)
    assert cores is None or cores >= 1


def test_neither_affinity_nor_share_is_exceeded(tmp_path: Path) -> None:
    mine = len(os.sched_getaffinity(0))
    share = tmp_path / "cpu.max"
    assert usable_cores(share) == mine, "no such file: no share"
    share.write_text("50000 100000\n")
    assert usable_cores(share) == 1
    share.write_text("99900000 100000\n")
    assert usable_cores(share) == mine
