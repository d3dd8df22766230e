"""How much to ask for: a request costs more than a few thousand bytes do, and what follows is mostly wanted next."""

from __future__ import annotations

from ingest.media.view import MoreNeededError, View


def widened(view: View, needed: MoreNeededError, wish: int, end: int | None = None) -> MoreNeededError:
    """The same, of `wish` bytes if it is less: but not beyond `end`, or the end of the object."""
    for last in (end, view.size):
        if last is not None:
            wish = min(wish, last - needed.first)
    return MoreNeededError(needed.first, max(needed.length, wish))
