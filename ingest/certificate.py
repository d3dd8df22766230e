"""The proof that a run is whole: its spans tile what was asked, their outcomes add up, and the catalog's rows agree. No I/O.

What the rows of a span `(lo, hi]` must be once it is committed, by what became of each object there. `live` are rows that are
neither missing nor removed; `written` are those of them that bear this run's ID.

| what was found                                | known | new | missing | live | written |
|-----------------------------------------------|-------|-----|---------|------|---------|
| added, archived or failed; not known before   |       |  1  |         |  1   |    1    |
| changed, archived or failed; known before     |   1   |     |         |  1   |    1    |
| unchanged, or filtered but known              |   1   |     |         |  1   |         |
| missed by an earlier run, listed but filtered |   1   |     |         |  1   |         |
| filtered and unknown, or new and vanished     |       |     |         |      |         |
| known and not listed, or known and vanished   |   1   |     |    1    |      |         |

So live = known - missing + new, and written = added + changed + archived + failed. What an earlier run missed is known, and is
either listed again or missing again, hence every row that is missing bears this run's ID and there are as many as the span says. A row
that is removed is as good as none: if its object comes back it is new. Which rows are missing depends on what became of the marks since.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, Literal, NamedTuple

from ingest.job import PrefixSource
from ingest.model import Range

_PROBLEMS: Final = 5
"""As many are told; all are counted."""
_KEY_CHARACTERS: Final = 120
_WRITTEN: Final = ("added", "changed", "archived", "failed")

Marks = Literal["stand", "removed", "rejected", "broken off"]
"""What became of what a run found missing: nothing yet; removed; taken back; or somebody ended the run in the middle of it."""


class Tile(NamedTuple):
    """A committed span, with its counts."""

    source: int
    lo: bytes | None
    hi: bytes | None
    listed: int
    outcomes: Mapping[str, int]
    known: int
    missing: int
    new: int | None
    """None: written by a version that did not count them."""

    @property
    def rows(self) -> int:
        """How many the catalog may hold of it, about."""
        return self.known + (self.listed if self.new is None else self.new)


class Rows(NamedTuple):
    """What the catalog holds of a span now."""

    live: int
    missing: int
    """Of this run."""
    strange: int
    """Missing, but marked by another run."""
    removed: int
    """Of this run."""
    written: int
    """Live, of this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that does not agree."""

    check: str
    """gap, overlap, spans, outcomes, live, missing, written or removed."""
    where: str
    expected: int | str
    found: int | str

    def __str__(self) -> str:
        return f"{self.check} at {self.where}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What was looked at, and what does not agree. Bounded in size, however large the run."""

    spans: int = 0
    sources: int = 0
    rows: int = 0
    """That were recounted."""
    missing: int = 0
    """Assets that were known and not listed."""
    removed: int | None = None
    """Of those; None until it is decided."""
    uncounted: int = 0
    """Spans of an older version, which did not count what is new: their live rows prove nothing."""
    superseded: int = 0
    """Spans whose rows prove nothing, since a later run has been there."""
    purged: int = 0
    """Rows of removed assets that are there no more."""
    wrong: int = 0
    """How many things do not agree."""
    problems: tuple[Problem, ...] = ()
    """The first few of them."""

    @property
    def holds(self) -> bool:
        return not self.wrong

    def as_json(self) -> str:
        return json.dumps({"holds": self.holds, **asdict(self)})


@dataclass(slots=True)
class SourceSums:
    """What the brake looks at."""

    listed: int = 0
    known: int = 0
    missing: int = 0


@dataclass(slots=True, kw_only=True)
class Audit:
    """Takes a run's spans, each source's in key order, and finds what does not agree."""

    run_id: str
    sources: Sequence[PrefixSource]
    asked: Sequence[tuple[int, Range]] | None = None
    """What was to be listed; None: each source whole."""
    marks: Marks = "stand"
    whole: bool = True
    """False: the run ended before all was listed, so that gaps are no problem."""
    superseded: Callable[[Tile], bool] = lambda _: False
    sums: dict[int, SourceSums] = field(default_factory=dict)
    _seen: int = 0
    _rows: int = 0
    _counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("uncounted", "superseded", "purged"), 0))
    _wrong: int = 0
    _problems: list[Problem] = field(default_factory=list)
    _left: dict[int, list[Range]] = field(default_factory=dict)
    """Of each source, what no span has covered yet; in key order."""

    def __post_init__(self) -> None:
        for number in range(len(self.sources)):
            mine = None if self.asked is None else [one for source, one in self.asked if source == number]
            self._left[number] = [Range()] if mine is None else _joined(mine)
            self.sums[number] = SourceSums()

    def see(self, tile: Tile, rows: Rows) -> None:
        """The next span, and the rows of it. What is not recounted is still counted."""
        self._seen += 1
        sums = self.sums[tile.source]
        sums.listed, sums.known, sums.missing = (
            sums.listed + tile.listed,
            sums.known + tile.known,
            sums.missing + tile.missing,
        )
        self._lay(tile)
        self._expect("outcomes", tile, tile.listed, sum(tile.outcomes.values()))
        if self.superseded(tile):
            self._counts["superseded"] += 1
            return
        self._rows += rows.live + rows.missing
        self._counts["uncounted"] += tile.new is None
        self._recount(tile, rows)

    def certificate(self, *, spans: int) -> Certificate:
        """What was found, now that all was seen. `spans`: how many the run has in all."""
        if self.whole:
            for source, left in self._left.items():
                for gap in left:
                    self._problem("gap", self._where(source, gap), "spans", "none")
        if spans != self._seen:
            self._problem("spans", f"run {self.run_id}, several from one key or of no source", self._seen, spans)
        return Certificate(
            spans=self._seen,
            sources=len(self.sources),
            rows=self._rows,
            missing=sum(one.missing for one in self.sums.values()),
            **self._counts,
            wrong=self._wrong,
            problems=tuple(self._problems),
        )

    def _lay(self, tile: Tile) -> None:
        """Put a tile onto what is left to cover, which it must begin."""
        left, span = self._left[tile.source], Range(tile.lo, tile.hi)
        while left and self.whole and _ends_before(left[0], span):
            self._problem("gap", self._where(tile.source, left.pop(0)), "spans", "none")
        if not left or _before(span.lo, left[0].lo) or _beyond(span.hi, left[0].hi):
            self._problem(
                "overlap", self._where(tile.source, span), "one span", "several, or one that was not asked for"
            )
        elif self.whole and span.lo != left[0].lo:
            self._problem("gap", self._where(tile.source, Range(left[0].lo, span.lo)), "spans", "none")
        while left and not _beyond(left[0].hi, span.hi):
            left.pop(0)
        if left and (left[0].lo is None or (span.hi is not None and span.hi > left[0].lo)):
            left[0] = Range(span.hi, left[0].hi)

    def _recount(self, tile: Tile, rows: Rows) -> None:
        written, marked = sum(tile.outcomes[name] for name in _WRITTEN), tile.missing
        live = None if tile.new is None else tile.known - tile.missing + tile.new
        gone = rows.missing + rows.removed
        if self.marks == "rejected" or (self.marks == "broken off" and rows.written > written):
            # those whose mark was taken back are live again, and bear this run's ID
            back = marked if self.marks == "rejected" else marked - rows.missing
            written, live = written + back, None if live is None else live + back
            gone += back
        if live is not None:
            self._expect("live", tile, live, rows.live)
        self._expect("written", tile, written, rows.written)
        self._expect("missing", tile, 0, rows.strange)
        if self.marks == "stand":
            self._expect("missing", tile, marked, rows.missing)
        elif self.marks in ("removed", "rejected"):
            self._expect("missing", tile, 0, rows.missing)
        if gone > marked:
            self._expect("removed", tile, marked, gone)
        elif self.marks != "stand":
            self._counts["purged"] += marked - gone

    def _expect(self, check: str, tile: Tile, expected: int, found: int) -> None:
        if expected != found:
            self._problem(check, self._where(tile.source, Range(tile.lo, tile.hi)), expected, found)

    def _problem(self, check: str, where: str, expected: int | str, found: int | str) -> None:
        self._wrong += 1
        if len(self._problems) < _PROBLEMS:
            self._problems.append(Problem(check=check, where=where, expected=expected, found=found))

    def _where(self, source: int, span: Range) -> str:
        place = readable(self.sources[source].uri.encode())
        lo = "the beginning" if span.lo is None else f"behind {readable(span.lo)}"
        return f"{place}, {lo} to {'the end' if span.hi is None else readable(span.hi)}"


def readable(key: bytes) -> str:
    """A key on one line, cut if it is long; what is not printable, or no UTF-8, is escaped."""
    text = key.decode(errors="backslashreplace")
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return shown if len(shown) <= _KEY_CHARACTERS else f"{shown[:_KEY_CHARACTERS]}..."


def _joined(ranges: Iterable[Range]) -> list[Range]:
    """In key order; those that touch are one."""
    found: list[Range] = []
    for one in sorted(ranges, key=lambda each: each.lo or b""):
        if found and found[-1].hi is not None and found[-1].hi == one.lo:
            found[-1] = Range(found[-1].lo, one.hi)
        else:
            found.append(one)
    return found


def _before(lo: bytes | None, other: bytes | None) -> bool:
    """Of two lower ends."""
    return other is not None and (lo is None or lo < other)


def _beyond(hi: bytes | None, other: bytes | None) -> bool:
    """Of two upper ends."""
    return other is not None and (hi is None or hi > other)


def _ends_before(one: Range, span: Range) -> bool:
    """Whether `one` ends where `span` begins, or sooner."""
    return one.hi is not None and span.lo is not None and one.hi <= span.lo
