"""Whom the harness may signal: its own workers, one at a time, and nobody else on the machine."""

from __future__ import annotations

import os

import pytest

from tests.chaos.zygote import _send

_NOTHING = 0
"""A signal that the system checks and does not deliver: a mistake here hurts nobody."""


@pytest.mark.parametrize("pid", [-1, 0, 1, -os.getpid()], ids=["all", "group", "first", "own group"])
def test_a_number_that_means_many_processes_or_the_first_is_never_signalled(pid: int) -> None:
    assert not _send(pid, _NOTHING, {pid})


def test_only_children_that_were_not_waited_for_are_signalled() -> None:
    assert not _send(os.getpid(), _NOTHING, set())
    assert _send(os.getpid(), _NOTHING, {os.getpid()})
