"""The shapes of key spaces: hides how the n-th key of ten million is named, and found again by its name."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate, pairwise
from typing import Final

from benchmarks.keys import KeySpace

_SPREAD: Final = 1 << 56
_REST: Final = (1 << 72) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15


class _Parsed:
    """A space whose number stands in the key in some form: `find` guesses it and looks whether that is the key."""

    __slots__ = ()

    @property
    def count(self) -> int:
        raise NotImplementedError

    def key(self, index: int) -> bytes:
        raise NotImplementedError

    def keys(self, start: int, stop: int) -> list[bytes]:
        return [self.key(index) for index in range(start, stop)]

    def guess(self, key: bytes) -> int:
        """Raises ValueError or IndexError where no number can be read."""
        raise NotImplementedError

    def find(self, key: bytes) -> int | None:
        try:
            index = self.guess(key)
        except (ValueError, IndexError):
            return None
        return index if 0 <= index < self.count and self.key(index) == key else None


@dataclass(frozen=True, slots=True)
class Flat(_Parsed):
    """img_000000000123.jpg"""

    count: int

    def key(self, index: int) -> bytes:
        return b"img_%012d.jpg" % index

    def keys(self, start: int, stop: int) -> list[bytes]:
        return [b"img_%012d.jpg" % index for index in range(start, stop)]

    def guess(self, key: bytes) -> int:
        return int(key[4:16])


@dataclass(frozen=True, slots=True)
class Hash(_Parsed):
    """32 hexadecimal digits: the number stretched over 56 bits, noise that never leaves its cell, and 72 bits more of noise."""

    count: int

    def key(self, index: int) -> bytes:
        return self.keys(index, index + 1)[0]

    def keys(self, start: int, stop: int) -> list[bytes]:
        cell, found = _SPREAD // self.count, []
        for index in range(start, stop):
            noise = (index + 1) * _GOLDEN & (_SPREAD - 1)
            found.append(b"%014x%018x" % (index * cell + noise % cell, noise * _GOLDEN & _REST))
        return found

    def guess(self, key: bytes) -> int:
        return int(key[:14], 16) // (_SPREAD // self.count)


@dataclass(frozen=True, slots=True)
class Directories(_Parsed):
    """d0012/e045/file_000067.bin: a hundred files in each of a hundred folders in each of many folders."""

    count: int

    def key(self, index: int) -> bytes:
        return b"d%04d/e%03d/file_%06d.bin" % (index // 10_000, index // 100 % 100, index % 100)

    def keys(self, start: int, stop: int) -> list[bytes]:
        form = b"d%04d/e%03d/file_%06d.bin"
        return [form % (index // 10_000, index // 100 % 100, index % 100) for index in range(start, stop)]

    def guess(self, key: bytes) -> int:
        outer, inner, name = key.split(b"/")
        return int(outer[1:]) * 10_000 + int(inner[1:]) * 100 + int(name[5:11])


@dataclass(frozen=True, slots=True)
class Dates(_Parsed):
    """logs/app/year=2025/month=03/day=07/hour=11/part-00012.json, a hundred parts an hour."""

    count: int

    _FIRST = date(2020, 1, 1).toordinal()

    def _hour(self, hour: int) -> bytes:
        day = date.fromordinal(self._FIRST + hour // 24)
        return b"logs/app/year=%04d/month=%02d/day=%02d/hour=%02d/" % (day.year, day.month, day.day, hour % 24)

    def key(self, index: int) -> bytes:
        return self._hour(index // 100) + b"part-%05d.json" % (index % 100)

    def keys(self, start: int, stop: int) -> list[bytes]:
        found: list[bytes] = []
        for hour in range(start // 100, -(-stop // 100)):
            folder = self._hour(hour)
            parts = range(max(start - hour * 100, 0), min(stop - hour * 100, 100))
            found += [b"%spart-%05d.json" % (folder, part) for part in parts]
        return found

    def guess(self, key: bytes) -> int:
        _, _, year, month, day, hour, name = key.split(b"/")
        days = date(int(year[5:]), int(month[6:]), int(day[4:])).toordinal() - self._FIRST
        return (days * 24 + int(hour[5:])) * 100 + int(name[5:10])


@dataclass(frozen=True, slots=True)
class TinyDirectories(_Parsed):
    """u00000012/2.json: one to four files in each of very many folders."""

    count: int

    _PLACES = tuple((folder, name) for folder in range(4) for name in range(folder + 1))

    def key(self, index: int) -> bytes:
        folder, name = self._PLACES[index % 10]
        return b"u%08d/%d.json" % (index // 10 * 4 + folder, name)

    def guess(self, key: bytes) -> int:
        folder, name = key[1:].split(b"/")
        return int(folder) // 4 * 10 + self._PLACES.index((int(folder) % 4, int(name[:-5])))


@dataclass(frozen=True, slots=True)
class Numbers(_Parsed):
    """obj-0, obj-1, obj-10, obj-100, ...: numbers below `count` without padding, in the order of their digits."""

    count: int

    def _below(self, low: int, high: int) -> int:
        """How many of the numbers begin with the digits of low .. high - 1 (of one length)."""
        total = 0
        while low < self.count:
            total += min(high, self.count) - low
            low, high = low * 10, high * 10
        return total

    def _number(self, index: int) -> int:
        if index == 0:
            return 0
        number, left = 1, index - 1
        while left:
            size = self._below(number, number + 1)
            if left >= size:
                number, left = number + 1, left - size
            else:
                number, left = number * 10, left - 1
        return number

    def key(self, index: int) -> bytes:
        return b"obj-%d" % self._number(index)

    def keys(self, start: int, stop: int) -> list[bytes]:
        if start >= stop:
            return []
        number = self._number(start)
        found = [b"obj-%d" % number]
        for _ in range(start + 1, stop):
            if number and number * 10 < self.count:
                number *= 10
            else:
                while number and (number % 10 == 9 or number + 1 >= self.count):
                    number //= 10
                number += 1
            found.append(b"obj-%d" % number)
        return found

    def guess(self, key: bytes) -> int:
        text = key.removeprefix(b"obj-")
        number = int(text)
        if number == 0:
            return 0
        index = len(text)  # 0 itself, and the numbers that this one begins with
        for length in range(1, len(text) + 1):
            begun = int(text[:length])
            index += self._below(begun // 10 * 10 or 1, begun)
        return index


@dataclass(frozen=True, slots=True)
class Prefixed:
    """Another space, every key behind one prefix."""

    prefix: bytes
    inner: KeySpace

    @property
    def count(self) -> int:
        return self.inner.count

    def key(self, index: int) -> bytes:
        return self.prefix + self.inner.key(index)

    def keys(self, start: int, stop: int) -> list[bytes]:
        prefix = self.prefix
        return [prefix + key for key in self.inner.keys(start, stop)]

    def find(self, key: bytes) -> int | None:
        return self.inner.find(key[len(self.prefix) :]) if key.startswith(self.prefix) else None


class Joined:
    """Several spaces one behind the other; they must be given in the order of their keys."""

    def __init__(self, parts: Sequence[KeySpace]) -> None:
        self._parts = [part for part in parts if part.count]
        self._starts = [0, *accumulate(part.count for part in self._parts)]
        self._firsts = [part.key(0) for part in self._parts]
        self.count: Final = self._starts[-1]

    def key(self, index: int) -> bytes:
        at = bisect_right(self._starts, index) - 1
        return self._parts[at].key(index - self._starts[at])

    def keys(self, start: int, stop: int) -> list[bytes]:
        found: list[bytes] = []
        while start < stop:
            at = bisect_right(self._starts, start) - 1
            base, end = self._starts[at], min(stop, self._starts[at + 1])
            found += self._parts[at].keys(start - base, end - base)
            start = end
        return found

    def find(self, key: bytes) -> int | None:
        at = bisect_right(self._firsts, key) - 1
        index = self._parts[at].find(key) if at >= 0 else None
        return None if index is None else self._starts[at] + index


def _huge(count: int) -> KeySpace:
    """Nine tenths in one folder, the rest in tiny ones on both sides."""
    side = count // 20
    parts: list[KeySpace] = [Prefixed(b"a/", TinyDirectories(side)), Prefixed(b"media/", Flat(count - 2 * side))]
    return Joined([*parts, Prefixed(b"z/", TinyDirectories(side))])


def _tenants(count: int, tenants: int = 500) -> KeySpace:
    """Folders of tenants, whose sizes fall as 1/rank (Zipf) while their names say nothing of it."""
    weights = [1 / (1 + number * 271 % tenants) for number in range(tenants)]
    bounds = [int(count * part / sum(weights)) for part in accumulate(weights, initial=0.0)]
    bounds[-1] = count
    sizes = [high - low for low, high in pairwise(bounds)]
    return Joined([Prefixed(b"tenant-%04d/" % number, Hash(size)) for number, size in enumerate(sizes) if size])


_LONG: Final = b"archive/" + b"one-very-long-folder-name/" * 7 + b"originals/"
"""200 bytes that every key shares."""

SHAPES: Final[dict[str, Callable[[int], KeySpace]]] = {
    "flat": Flat,
    "hash": Hash,
    "directories": Directories,
    "dates": Dates,
    "huge": _huge,
    "prefix": lambda count: Prefixed(_LONG, Hash(count)),
    "numbers": Numbers,
    "tiny": TinyDirectories,
    "tenants": _tenants,
}
