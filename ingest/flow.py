"""One error out of a group of tasks."""

from __future__ import annotations

from config.errors import LongshoreError


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that speaks for a task group: one of ours if there is one, else whatever came first."""
    leaves = _leaves(group)
    return next((leaf for leaf in leaves if isinstance(leaf, LongshoreError)), leaves[0])


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
