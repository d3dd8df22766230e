"""One error out of a group of tasks."""

from __future__ import annotations

from config.errors import FencedError
from ingest.flow import first_of


def test_one_of_our_errors_speaks_for_a_group() -> None:
    ours = FencedError()
    group = ExceptionGroup("all", [ValueError("x"), ExceptionGroup("inner", [ours])])
    assert first_of(group) is ours
    assert isinstance(first_of(ExceptionGroup("all", [ValueError("x")])), ValueError)
