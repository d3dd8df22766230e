"""A bucket of computed keys behind a latency, on a clock that jumps: hides that a listing of minutes takes no time."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import AsyncGenerator, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmarks.keys import KeySpace
from benchmarks.listing import list_slice
from ingest.model import Entries, Entry, Page, Range, Recall

T = TypeVar("T")


class _Jumps(selectors.BaseSelector):
    """Never waits: what would be waited for has passed."""

    def __init__(self) -> None:
        self.now = 0.0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits for everything")
        self.now += max(timeout, 0.0)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        raise KeyError(fileobj)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumps = _Jumps()
        super().__init__(self._jumps)

    def time(self) -> float:
        return self._jumps.now


def run_in_no_time(main: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """What `main` returns, and how many seconds it would have taken."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        result = runner.run(main)
        return result, runner.get_loop().time()


@dataclass
class FarBucket:
    """Answers a LIST after about `latency_s` of the loop's clock."""

    space: KeySpace
    page_keys: int
    latency_s: float = 0.05
    seed: int = 1
    lists: int = 0
    by_folder: int = 0
    refuses: type[Exception] | None = None
    """What a LIST with a delimiter raises."""
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    async def list_page(
        self, *, prefix: bytes, start_after: bytes | None = None, delimiter: bytes = b"", begin: int | None = None
    ) -> Page:
        self.lists += 1
        self.by_folder += bool(delimiter)
        await asyncio.sleep(self.latency_s * self.random.lognormvariate(-0.045, 0.3))
        if delimiter and self.refuses is not None:
            raise self.refuses
        found = list_slice(
            self.space,
            prefix=prefix,
            delimiter=delimiter,
            start_after=start_after or b"",
            begin=begin,
            max_keys=self.page_keys,
        )
        indexes = found.indexes
        keys = (
            self.space.keys(indexes.start, indexes.stop) if isinstance(indexes, range) else map(self.space.key, indexes)
        )
        entries = Entries.of(Entry(key, 1, "e", "2026", "STANDARD") for key in keys)
        token = None if found.next_index is None else str(found.next_index)
        return Page(entries=entries, common_prefixes=found.prefixes, next_token=token)

    async def pages(
        self, *, prefix: bytes, within: Range | None = None, recall: Recall | None = None
    ) -> AsyncGenerator[Page]:
        begin: int | None = None
        while True:
            page = await self.list_page(prefix=prefix, start_after=within.lo if within else None, begin=begin)
            yield page
            if page.next_token is None:
                return
            begin = int(page.next_token)
