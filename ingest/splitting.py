"""Keys as numbers: hides the arithmetic by which a range is measured and cut without knowing what lies in it. No I/O.

Between two keys lies a line of whole numbers, one digit per byte behind what both share. The base of a digit is the alphabet at
its place, learnt from sampled keys: no digit is spare, since a cut at a digit that no key has would be wasted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise, zip_longest
from operator import mul

KEY_BYTES = 1024
"""The longest key, and so the longest start-after. Source: Amazon S3 User Guide, object key names."""

_DIGITS = frozenset(b"0123456789")
_LOWER = frozenset(b"abcdefghijklmnopqrstuvwxyz")
_UPPER = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_CLASSES = [
    _DIGITS,
    _DIGITS | frozenset(b"abcdef"),
    _DIGITS | frozenset(b"ABCDEF"),
    _LOWER,
    _UPPER,
    _DIGITS | _LOWER,
    _DIGITS | _UPPER,
    _LOWER | _UPPER,
    _DIGITS | _LOWER | _UPPER,
]
_ALNUM = _CLASSES[-1]
_SURE, _HEADS = 24, 3
"""From so many samples on, with so many different beginnings, the bytes seen at a place are thought to be all there are:
whatever counts there has begun anew."""
_FINE = 8
"""Places behind those that tell the ends of a page apart: room for cuts between them."""


def common(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    short = min(len(one), len(other))
    if one[:short] == other[:short]:
        return short
    return next(place for place in range(short) if one[place] != other[place])


def cut_point(wanted: bytes, *, lo: bytes | None, hi: bytes | None) -> bytes | None:
    """The longest part of `wanted` that may be sent as start-after, if it lies strictly between the ends; else None.

    It is valid UTF-8, ends at a character, and has at most 1,024 bytes.
    """
    wanted = wanted[:KEY_BYTES]
    try:
        wanted.decode()
    except UnicodeDecodeError as error:
        wanted = wanted[: error.start]
    inside = bool(wanted) and (lo is None or wanted > lo) and (hi is None or wanted < hi)
    return wanted if inside else None


class Line:
    """Keys that begin like `like`, as far as `skip`, laid out by what stands behind it."""

    __slots__ = ("_alphabets", "_head", "_units")

    def __init__(self, like: bytes, *, skip: int, apart: int, samples: Iterable[bytes]) -> None:
        """`apart`: how many bytes two keys share that the line must tell apart."""
        self._head = like[:skip]
        depth = max(apart, skip) + _FINE
        tails = [key[skip:depth] for key in samples if key.startswith(self._head)]
        self._alphabets = _alphabets(like[skip:depth], tails)
        bases = [len(alphabet) for alphabet in self._alphabets]
        self._units = [*accumulate(reversed(bases), mul, initial=1)][::-1]

    @property
    def length(self) -> int:
        """Numbers run from 0 to length - 1."""
        return self._units[0]

    def number(self, key: bytes) -> int:
        """Where on the line the key lies; keys beyond its ends lie at its ends, and keys that differ too late lie together."""
        skip = len(self._head)
        if key[:skip] != self._head:
            return 0 if key < self._head else self.length
        total = 0
        for byte, alphabet, unit in zip(key[skip:], self._alphabets, self._units[1:], strict=False):
            digit = bisect_left(alphabet, byte)
            total += digit * unit
            if digit == len(alphabet) or alphabet[digit] != byte:
                return total
        return total

    def key(self, number: int) -> bytes | None:
        """The shortest key at this number; None beyond the ends."""
        if not 0 < number < self.length:
            return None
        digits, left = bytearray(), number
        for alphabet, unit in zip(self._alphabets, self._units[1:], strict=True):
            digit, left = divmod(left, unit)
            digits.append(alphabet[digit])
            if not left:
                break
        return self._head + bytes(digits)


def _alphabets(like: bytes, tails: Sequence[bytes]) -> list[bytes]:
    """The bytes that may stand at each place, in order."""
    seen = [set(column) - {None} for column in zip_longest(like, *tails)]
    found: list[bytes] = []
    for start, stop in _runs(like, len(seen)):
        run = frozenset().union(*(seen[place] for place in range(start, stop) if len(seen[place]) > 1))
        sure = len(tails) >= _SURE and len({tail[:start] for tail in tails}) >= _HEADS
        found += [bytes(sorted(_completed(seen[place], run, sure=sure))) for place in range(start, stop)]
    return found


def _runs(like: bytes, length: int) -> list[tuple[int, int]]:
    """Stretches of letters and digits, and what is between them."""
    ends = [place for place in range(1, length) if place >= len(like) or _wordy(like[place]) != _wordy(like[place - 1])]
    bounds = [0, *ends, length]
    return [(start, stop) for start, stop in pairwise(bounds) if start < stop]


def _wordy(byte: int) -> bool:
    return byte in _ALNUM or byte >= 0x80


def _completed(seen: set[int], run: frozenset[int], *, sure: bool) -> set[int]:
    """What else may stand where these bytes were seen, in a run of places whose changing ones hold `run`."""
    letters = run & _ALNUM
    high = {byte for byte in seen if byte >= 0x80}
    between = set(range(min(high), max(high) + 1)) if high else set()
    plain = seen & _ALNUM
    if sure:
        return (
            seen | between | {byte for byte in _class_of(plain) if min(plain) <= byte <= max(plain)} if plain else seen
        )
    if len(seen) == 1:
        if seen <= _DIGITS:
            return set(_class_of(letters) if letters & _DIGITS else _DIGITS)
        return set(_class_of(letters)) if letters and seen <= _class_of(letters) else seen
    full = set(_class_of(plain if len(plain) >= 6 and plain <= _DIGITS else plain | letters)) if plain else set()
    return full | seen | between


def _class_of(seen: Iterable[int]) -> frozenset[int]:
    held = frozenset(seen)
    return next(one for one in _CLASSES if held <= one)
