"""What is known of a key space while it is listed: hides what pages and folders tell of the ranges that are left. No I/O."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.model import Entries, Page, Range
from ingest.remembered import Cuts
from ingest.splitting import KEY_BYTES, Line, common, cut_point

_SAMPLES = 256
"""Keys kept to learn alphabets from."""
_FOLDERS = 20_000
"""Folders kept to cut between."""
_MAPS_SHARE = 0.02
"""Requests for folders, after the first one, for each page of keys."""
_BEYOND = b"\xff" * (KEY_BYTES + 1)
_MARKS = 16
"""Keys of a page that are looked at; if each is in another folder, the list of folders is hardly shorter than that of keys."""


@dataclass(slots=True, eq=False, kw_only=True)
class Part:
    """A range that one stream lists. `lo` rises with each page; `hi` falls when it is cut, also while a page is in flight."""

    lo: bytes | None
    hi: bytes | None
    loose: bool | None
    """Whether nothing tells that keys reach up to `hi`. None: whoever lists behind it has not answered yet."""
    stride: float = 1.0
    """Pages that lie without a hole before `lo`, as far as is known: how far to step ahead."""
    answered: bool = False
    done: bool = False
    marks: tuple[bytes, ...] = ()
    """Keys of its last page, evenly spaced, the last one last."""
    kept: int = 0
    """Keys on its last page."""
    astray: bool = False
    """Its last page was full, and passed no place where a page ended the last time: here is more than there was."""
    ahead: tuple[bytes | None, bytes | None, float] | None = None
    """How many pages were thought to lie between which ends, when this was worked out last."""
    expected: float = 1.0
    """Pages that it was thought to hold when it was cut off."""

    @property
    def range(self) -> Range:
        return Range(self.lo, self.hi)


class Territory:
    """The ranges to do, as parts: `waiting` for a stream, or `live` with one. They are disjoint; with what was taken they tile."""

    def __init__(self, *, prefix: bytes, todo: Sequence[Range], cuts: Cuts = Cuts()) -> None:
        self.prefix = prefix
        self._starts = {part.lo for part in todo}
        apart = (piece for part in todo for piece in cuts.apart(part))
        self.waiting = deque(Part(lo=part.lo, hi=part.hi, loose=part.hi is None) for part in apart)
        self.live: list[Part] = []
        self.pages = 0.0
        """Full pages' worth of keys taken so far."""
        self.excess = 0.0
        """Requests sent so far over the fewest that could have brought these keys."""
        self.page_keys = 1
        self.tried, self.wasted = 0, 0
        """Parts that have answered, and those of them that began with nothing."""
        self.samples: deque[bytes] = deque(maxlen=_SAMPLES)
        self.folders = list(cuts.ends)
        """Where it is good to cut: where folders begin, or pages ended the last time."""
        self.remembers = bool(cuts.ends)
        """Whether it is known where pages ended the last time."""
        self.mapped: bytes | None = _BEYOND if cuts.ends else None
        """Up to here the folders are known."""
        self._passed, self._maps = 0, 0

    @property
    def left(self) -> list[Range]:
        """What was not taken yet, in order; what was cut apart is together again."""
        return self.joined([one.range for one in [*self.waiting, *self.live]])

    def joined(self, parts: Iterable[Range]) -> list[Range]:
        """In order; what was cut apart here is together again."""
        found: list[Range] = []
        for part in sorted(parts, key=lambda one: one.lo or b""):
            if found and found[-1].hi == part.lo and part.lo not in self._starts:
                found[-1] = Range(found[-1].lo, part.hi)
            else:
                found.append(part)
        return found

    # -- pages

    def begin(self) -> Part:
        """The next part that waits; it is live from now on."""
        part = self.waiting.popleft()
        self.live.append(part)
        return part

    def take(self, part: Part, page: Page) -> tuple[Range, Entries] | None:
        """Claim what a page says of a part, up to the part's present end; None if it says nothing yet."""
        entries, hi = page.entries, part.hi
        self.page_keys = max(self.page_keys, len(entries))
        if not part.answered:
            self._answered(part, entries)
        beyond = hi is not None and bool(entries) and entries.last >= hi
        if hi is not None and beyond and entries.last > hi:
            entries = entries[: bisect_right(entries.keys, hi)]
        part.done = beyond or page.next_token is None
        self._learn(part, entries)
        if not entries and not part.done:
            return None
        claimed = Range(part.lo, hi if part.done else entries.last)
        part.lo = claimed.hi
        if part.done:
            self.live.remove(part)
        return claimed, entries

    def _answered(self, part: Part, entries: Entries) -> None:
        """The first page behind a cut tells whether keys reach up to it."""
        part.answered = True
        self.tried += 1
        start = part.lo
        keys = entries.keys if entries.is_read else [entries.last]
        if not keys or (part.hi is not None and keys[0] > part.hi):
            self.wasted += 1
        left = next((one for one in [*self.live, *self.waiting] if one.hi == start and one.loose is None), None)
        if left is None or start is None:
            return
        left.loose = True
        if len(keys) > 1:
            first, last = keys[0], keys[-1]
            line = Line(last, skip=common(start, last), apart=common(first, last), samples=self.samples)
            at = line.number(first)
            left.loose = at - line.number(start) > line.number(last) - at

    def _learn(self, part: Part, entries: Entries) -> None:
        """Of a page that nobody has read, its end is all that is known, and cuts go by what is remembered."""
        kept = len(entries)
        self.pages += kept / self.page_keys
        self.excess += 1 - kept / self.page_keys
        if not entries:
            return
        last = entries.last
        passed = len(self.folders_in(part.lo, last))
        self._passed += passed
        part.astray = kept == self.page_keys and not passed and not self._begins(last)
        part.kept = kept
        part.marks = (last,)
        if entries.is_read:
            keys = entries.keys
            part.marks = (*(keys[kept * place // _MARKS] for place in range(min(kept, _MARKS))), last)
            self.samples += (keys[kept // 2], last)

    def may_be_cut(self, part: Part) -> bool:
        """Blindly only where nothing is remembered, or more is found than there was."""
        if not part.marks or part.loose is None:
            return False
        return not self.remembers or part.astray or bool(self.folders_in(part.lo, part.hi))

    # -- folders

    def unmapped(self) -> bytes | None:
        """Behind which key to ask for folders, if that promises to pay."""
        if self._maps > self.pages * _MAPS_SHARE or len(self.folders) >= _FOLDERS:
            return None
        for part in self.live:
            if part.lo is None or not part.marks or (self.mapped is not None and part.lo < self.mapped):
                continue
            names = [self._folder(key) for key in part.marks]
            changes = sum(one != other for one, other in pairwise(names))
            after = cut_point(part.lo, lo=None, hi=None)
            if any(names) and changes < len(names) - 1 and after is not None:
                self._maps += 1
                return after
        return None

    def _folder(self, key: bytes) -> bytes:
        return key[: key.find(b"/", len(self.prefix)) + 1]

    def learn_folders(self, after: bytes, page: Page) -> None:
        """What a LIST with a delimiter said of everything behind `after`."""
        self.excess += 1
        self.folders = sorted({*self.folders, *(name for name in page.common_prefixes if name > after)})
        ends = ([page.entries.last] if page.entries else []) + page.common_prefixes[-1:]
        self.mapped = _BEYOND if page.next_token is None else max([after, *ends])

    def no_folders(self) -> None:
        """Folders can't be asked for."""
        self.excess += 1
        self._maps = 1 << 30

    def folders_in(self, lo: bytes | None, hi: bytes | None) -> list[bytes]:
        """The known folders that begin strictly between."""
        start = 0 if lo is None else bisect_right(self.folders, lo)
        stop = len(self.folders) if hi is None else bisect_left(self.folders, hi)
        return self.folders[start:stop]

    def _begins(self, key: bytes) -> bool:
        """Whether this is a place to cut at."""
        place = bisect_left(self.folders, key)
        return self.folders[place : place + 1] == [key]

    @property
    def folder_pages(self) -> float:
        """How many pages a folder holds, about."""
        return max(self.pages, 1.0) / (self._passed + len(self.live) / 2 or 1)
