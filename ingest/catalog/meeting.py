"""Which runs meet: hides how one prefix among many is found that lies above or below another."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

Sources = Iterable[tuple[str, str]]
"""Buckets and prefixes in hex. A prefix in hex begins with another exactly if their bytes do."""


class Places:
    """Sources of runs. Asking costs as many steps as there are lengths of prefixes, however many runs there are."""

    def __init__(self) -> None:
        self._by_bucket: dict[str, tuple[list[str], dict[int, set[str]]]] = {}
        """Prefixes in order, and by their lengths."""

    def add(self, sources: Sources) -> None:
        for bucket, prefix in sources:
            ordered, by_length = self._by_bucket.setdefault(bucket, ([], {}))
            if prefix not in by_length.setdefault(len(prefix), set()):
                by_length[len(prefix)].add(prefix)
                insort(ordered, prefix)

    def meet(self, sources: Sources) -> bool:
        """Whether a key may lie in these and in one that was added."""
        return any(self._meets(bucket, prefix) for bucket, prefix in sources)

    def _meets(self, bucket: str, prefix: str) -> bool:
        ordered, by_length = self._by_bucket.get(bucket, ([], {}))
        if any(prefix[:length] in held for length, held in by_length.items() if length <= len(prefix)):
            return True
        below = bisect_left(ordered, prefix)
        return below < len(ordered) and ordered[below].startswith(prefix)
