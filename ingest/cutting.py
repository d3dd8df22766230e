"""Which ranges to cut, where, and when to leave off: hides how estimates become cuts, and what cutting may cost. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.splitting import Line, common, cut_point
from ingest.territory import Part, Territory

_LEAST_PAGES = 2.0
"""A piece that is thought to hold less is not cut off."""
_FAR = 15.0
"""How far to trust an estimate whose end is loose, in strides."""
_NEAR = 4.0
"""Within so many strides, a loose end is looked for by even cuts, else by steps that double."""
_LOOSE_PIECES = 4
_FREE, _SHARE = 4.0, 0.2
"""What cutting may cost, in requests over the fewest possible: so many, and this share of the pages there are."""
_TRUST, _TRUST_FREE = 4.0, 6.0
"""How many pages are believed in for each one listed, and from the start."""
_WASTE_FREE, _WASTE_SHARE = 16.0, 0.1
"""How many requests may bring nothing: so many, and this share of the pages listed."""
_PIECES = 4
"""Into so many pieces for each share, all that lies ahead is cut when it is dealt out; the more, the more even the shares."""
_MANY = 1_000_000_000


@dataclass(slots=True, kw_only=True)
class _Outlook:
    """What a part is thought to hold, and how it can be cut."""

    part: Part
    pages: float
    most: int
    """Into so many pieces at most."""
    pieces: int = 1


def cut(territory: Territory, idle: int) -> None:
    """Cut the parts with most estimated work, several pieces at once, for `idle` streams; the pieces wait."""
    if _room(territory, _TRUST * territory.pages + _TRUST_FREE) < 1:
        return
    outlooks = [_outlook(territory, part, idle) for part in territory.live if territory.may_be_cut(part)]
    for _ in range(min(idle, _allowed(territory, outlooks))):
        able = [one for one in outlooks if one.pieces < one.most and one.pages / (one.pieces + 1) >= _LEAST_PAGES]
        if not able:
            break
        max(able, key=lambda one: one.pages / one.pieces).pieces += 1
    for one in outlooks:
        if one.pieces > 1:
            _cut(territory, one)


def cut_up(territory: Territory, shares: int) -> None:
    """Cut what lies ahead of live parts so that it can be dealt out to so many more as well, whatever that costs."""
    outlooks = [_outlook(territory, part, _PIECES * shares) for part in territory.live if territory.may_be_cut(part)]
    each = sum(one.pages for one in outlooks) / (_PIECES * (shares + 1))
    for one in outlooks:
        wanted = max(shares + 1, round(one.pages / each)) if each else 1
        one.pieces = min(wanted, one.most, int(one.pages))
        if one.pieces > 1:
            _cut(territory, one)


def expected(territory: Territory, part: Part) -> float:
    """Pages that a part holds, about."""
    if territory.may_be_cut(part):
        return _outlook(territory, part, 1).pages
    known = len(territory.folders_in(part.lo, part.hi)) if territory.remembers else 0
    return max(part.expected, known + 1.0) if known or not part.answered else 1.0


def _allowed(territory: Territory, outlooks: list[_Outlook]) -> int:
    """Cuts that may be made now."""
    believed = territory.pages + sum(one.pages for one in outlooks)
    return int(_room(territory, min(believed, _TRUST * territory.pages + _TRUST_FREE)))


def _room(territory: Territory, pages: float) -> float:
    """Cuts that so many pages bear. Each costs half a page at its end, and a whole one if it brings nothing."""
    parts = [*territory.live, *territory.waiting]
    out = sum(not part.answered for part in parts)
    rate = (territory.wasted + 1) / (territory.tried + 2)
    costs = _FREE + _SHARE * pages - territory.excess - len(parts) / 2 - out * rate / 2
    waste = max(_WASTE_FREE, _WASTE_SHARE * territory.pages) - territory.wasted - out * rate
    return min(costs / (1 + rate) * 2, waste / rate)


def _outlook(territory: Territory, part: Part, idle: int) -> _Outlook:
    folders = territory.folders_in(part.lo, part.hi)
    if folders:
        first = min(_ahead(territory, part, folders[0]), part.stride * _FAR)
        return _Outlook(part=part, pages=first + len(folders) * territory.folder_pages, most=len(folders) + 1)
    pages = _ahead(territory, part, part.hi)
    if not part.loose:
        return _Outlook(part=part, pages=pages, most=idle + 1)
    return _Outlook(part=part, pages=min(pages, part.stride * _FAR), most=_LOOSE_PIECES)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """From a part's last key to an end, on a line."""

    line: Line
    start: int
    end: int
    page: int
    """How long a full page is; at least 1."""


def _stretch(territory: Territory, part: Part, hi: bytes | None) -> _Stretch | None:
    """None if the last page says nothing of what lies ahead."""
    last, skip = part.marks[-1], len(territory.prefix)
    if hi is not None:
        skip = max(skip, common(last, hi))
    place = next(place for place, mark in enumerate(part.marks) if mark[:skip] == last[:skip])
    share = (len(part.marks) - 1 - place) * part.kept
    if not share:
        return None
    samples = [*territory.samples, *part.marks, *([hi] if hi is not None else ())]
    line = Line(last, skip=skip, apart=common(part.marks[place], last), samples=samples)
    start = line.number(last)
    long = (start - line.number(part.marks[place])) * (len(part.marks) - 1) * territory.page_keys // share
    return _Stretch(line=line, start=start, end=line.length if hi is None else line.number(hi), page=max(long, 1))


def _ahead(territory: Territory, part: Part, hi: bytes | None) -> float:
    """Pages up to `hi`, if keys lie there as close as on the part's last page."""
    if part.ahead is None or part.ahead[:2] != (part.lo, hi):
        stretch = _stretch(territory, part, hi)
        pages = 0.0 if stretch is None else min((stretch.end - stretch.start) * 10 // stretch.page, _MANY) / 10
        part.ahead = part.lo, hi, pages
    return part.ahead[2]


def _cut(territory: Territory, outlook: _Outlook) -> None:
    part, wanted = outlook.part, outlook.pieces - 1
    folders = territory.folders_in(part.lo, part.hi)
    if folders:
        _cut_between(territory, part, folders, outlook)
        return
    stretch = _stretch(territory, part, part.hi)
    if stretch is None:
        return
    far = stretch.end - stretch.start
    stride = max(1, int(part.stride * stretch.page))
    if part.loose and far > stride * _NEAR:
        steps = [stride * ((2 << step) - 1) for step in range(wanted)]
    else:
        steps = [far * step // (wanted + 1) for step in range(1, wanted + 1)]
    points = [(stretch.line.key(stretch.start + step), step) for step in steps if step < far]
    _apart(
        territory,
        part,
        [(key, part.stride + min(step // stretch.page, _MANY)) for key, step in points if key is not None],
        loose=None,
        each=outlook.pages / outlook.pieces,
    )


def _cut_between(territory: Territory, part: Part, folders: list[bytes], outlook: _Outlook) -> None:
    """Between folders: evenly, by what the first one is thought to hold and what others held."""
    each = territory.folder_pages
    first = outlook.pages - len(folders) * each
    targets = [outlook.pages * piece / outlook.pieces for piece in range(1, outlook.pieces)]
    places = {min(max(round((target - first) / each), 0), len(folders) - 1) for target in targets}
    _apart(
        territory,
        part,
        [(folders[place], 1.0) for place in sorted(places)],
        loose=True,
        each=outlook.pages / outlook.pieces,
    )


def _apart(
    territory: Territory, part: Part, points: list[tuple[bytes, float]], *, loose: bool | None, each: float
) -> None:
    """Cut at these points, as far as they can be sent. `loose`: what is known of the pieces' new ends; `each`: pages in each."""
    left = part
    for wanted, stride in points:
        point = cut_point(wanted, lo=left.lo, hi=left.hi)
        if point is not None:
            right = Part(lo=point, hi=left.hi, loose=left.loose, stride=stride, expected=each)
            left.hi, left.loose = point, loose
            territory.waiting.append(right)
            left = right
