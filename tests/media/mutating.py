"""Makes hostile files out of the corpus: each by its seed and number, and most where the parser looks."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ingest.media.reading import read
from ingest.media.view import View
from tests.media.corpus import FILES, FIRST, FIRST_OF_CAMERAS, FURTHER, first_of, names

LOOKED_MOST: Final = 3_000
"""Places that are remembered of one file."""
LARGE: Final = 1_300_000
"""Bytes to which one in a hundred inputs is blown up: what a first range and two more of the most that may be asked for hold."""


class Source(NamedTuple):
    """A file of the corpus, and where its parser looked."""

    name: str
    body: bytes
    first: int
    looked: tuple[tuple[int, int], ...]
    """Places and lengths."""


class Input(NamedTuple):
    """What is read, what the storage says of its size, and how much of it is held at first."""

    source: str
    body: bytes
    size: int | None
    first: int
    least: int = 0
    """Of each further range."""


class _Watching(View):
    """Remembers what is asked for."""

    __slots__ = ("looked",)

    def __init__(self, size: int, pieces: dict[int, bytes], looked: set[tuple[int, int]]) -> None:
        super().__init__(size, pieces)
        self.looked = looked

    def _note(self, at: int, length: int) -> None:
        """Its beginning, its end, and some of what is between."""
        step = max(64, length // 32)
        for place in (*range(at, at + length, step), at + max(0, length - 64)):
            if len(self.looked) < LOOKED_MOST:
                self.looked.add((place, min(64, at + length - place)))

    def read(self, at: int, length: int) -> bytes:
        found = super().read(at, length)
        self._note(at, length)
        return found

    def unpack(self, form: str, at: int) -> tuple[Any, ...]:
        found = super().unpack(form, at)
        self._note(at, 8)
        return found

    def held(self, at: int, most: int | None = None) -> bytes:
        found = super().held(at, most)
        self._note(at, min(len(found), 8192))
        return found


def sources() -> list[Source]:
    """The whole corpus."""
    return [source(name, (FILES / name).read_bytes(), first_of(name)) for name in names()]


def source(name: str, body: bytes, first: int) -> Source:
    """One file, watched while it is read."""
    looked: set[tuple[int, int]] = {(0, 16)}
    pieces = {0: body[:first]}
    for _ in range(1 + FURTHER):
        needs = read(_Watching(len(body), pieces, looked)).needs
        if needs is None:
            break
        pieces[needs[0]] = body[needs[0] : sum(needs)]
    inside = sorted((at, length) for at, length in looked if 0 <= at < len(body) and length > 0)
    return Source(name, body, first, tuple(inside))


def make(seed: int, number: int, corpus: list[Source]) -> Input:
    """Input `number` of `seed`: always the same one, of the same corpus and parsers (it strikes where they look)."""
    chance = random.Random(f"{seed}:{number}")
    chosen = chance.choice(corpus)
    body = bytearray(chosen.body)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5))):
        chance.choice(_CHANGES)(chance, body, chosen, corpus)
    if chance.random() < 0.5:
        body[:16] = chosen.body[:16]  # else a third would be taken for nothing known
    if chance.random() < 0.01:
        _blow_up(chance, body, chosen)
    first = chance.choice(
        (chosen.first, chosen.first, chosen.first, FIRST, FIRST_OF_CAMERAS, 64, 512, 4096, 256 << 10, 1 << 20)
    )
    return Input(chosen.name, bytes(body), _size(chance, len(body)), first, chance.choice((0, 8192)))


def _size(chance: random.Random, length: int) -> int | None:
    if chance.random() < 0.75:
        return length
    about = (length + 1, length - 1, length // 2, length * 2, length + 65_536, 5 << 40, (1 << 63) - 1, 1 << 32, 0, 1)
    return chance.choice((None, None, *(max(0, size) for size in about)))


def _place(chance: random.Random, body: bytearray, chosen: Source) -> tuple[int, int]:
    """Where to strike: mostly where the parser looked, else near the head or the end."""
    how = chance.random()
    if how < 0.7:
        at, length = chance.choice(chosen.looked)
    elif how < 0.85:
        at, length = chance.randrange(512), 8
    else:
        at, length = len(body) - 1 - chance.randrange(1024), 8
    return min(max(at, 0), max(len(body) - 1, 0)), length


def _flip(chance: random.Random, body: bytearray, chosen: Source, corpus: list[Source]) -> None:
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        at, length = _place(chance, body, chosen)
        at += chance.randrange(length)
        if at < len(body):
            body[at] ^= 1 << chance.randrange(8)


def _set(chance: random.Random, body: bytearray, chosen: Source, corpus: list[Source]) -> None:
    for _ in range(chance.choice((1, 1, 2, 4))):
        at, length = _place(chance, body, chosen)
        at += chance.randrange(length)
        if at < len(body):
            body[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, chance.randrange(256)))


def _extreme(chance: random.Random, body: bytearray, chosen: Source, corpus: list[Source]) -> None:
    """A number that is none: a length, a count or a place."""
    width = chance.choice((1, 2, 4, 4, 4, 8))
    at, length = _place(chance, body, chosen)
    at += chance.choice((0, 0, 0, 4, 8, chance.randrange(length)))
    most = 1 << 8 * width
    known = (0, 1, 2, most - 1, most - 2, most >> 1, (most >> 1) - 1, len(body), len(body) - at, at, 65_536, 1 << 24)
    value = chance.choice((*known, chance.randrange(most), len(body) - 1, len(body) + 1)) % most
    body[at : at + width] = value.to_bytes(width, chance.choice(("big", "little")))


def _digits(chance: random.Random, body: bytearray, chosen: Source, corpus: list[Source]) -> None:
    """A number in a text: PDF, SVG, XML."""
    found = list(re.finditer(rb"\d+", bytes(body[:4096]) + bytes(body[-4096:])))
    if not found:
        _extreme(chance, body, chosen, corpus)
        return
    at, end = chance.choice(found).span()
    if at >= 4096:
        at, end = at + max(0, len(body) - 8192), end + max(0, len(body) - 8192)
    choices = (
        b"0",
        b"-1",
        b"1e999",
        b"99999999999999999999",
        b"4294967295",
        b"nan",
        b"0" * 5000,
        b"%d" % len(body),
        b"9" * 5000,
    )
    body[at:end] = chance.choice(choices)


def _cut(chance: random.Random, body: bytearray, chosen: Source, corpus: list[Source]) -> None:
    at, _ = _place(chance, body, chosen)
    del body[at + chance.randrange(16) :]


def _drop(chance: random.Random, body: bytearray, chosen: Source, corpus: list[Source]) -> None:
    at, _ = _place(chance, body, chosen)
    del body[at : at + chance.choice((1, 2, 4, 8, 64, 1024))]


def _insert(chance: random.Random, body: bytearray, chosen: Source, corpus: list[Source]) -> None:
    at, _ = _place(chance, body, chosen)
    many = chance.choice((1, 2, 4, 8, 64, 512))
    body[at:at] = chance.choice((bytes(many), b"\xff" * many, chance.randbytes(many)))


def _repeat(chance: random.Random, body: bytearray, chosen: Source, corpus: list[Source]) -> None:
    """What the parser looked at, over and over: nests and lists without end."""
    at, length = _place(chance, body, chosen)
    part = bytes(body[at : at + chance.choice((length, 8, 12, 24, 100))])
    body[at:at] = part * chance.choice((1, 2, 10, 100, 1000))


def _graft(chance: random.Random, body: bytearray, chosen: Source, corpus: list[Source]) -> None:
    """A part of another file, more often of a file of the same kind."""
    folder = chosen.name.split("/")[0]
    kin = [one for one in corpus if one.name.startswith(folder + "/")] if chance.random() < 0.5 else corpus
    other = chance.choice(kin)
    start, _ = chance.choice(other.looked)
    part = other.body[start : start + chance.choice((8, 32, 200, 2000))]
    at, _ = _place(chance, body, chosen)
    body[at : at + (len(part) if chance.random() < 0.5 else 0)] = part


def _splice(chance: random.Random, body: bytearray, chosen: Source, corpus: list[Source]) -> None:
    """One file's head, and another's rest."""
    other = chance.choice(corpus)
    start, _ = chance.choice(other.looked)
    at, _ = _place(chance, body, chosen)
    body[at:] = other.body[start:]


def _blow_up(chance: random.Random, body: bytearray, chosen: Source) -> None:
    at, length = _place(chance, body, chosen)
    part = bytes(body[at : at + chance.choice((length, 4, 12, 64, 500))]) or b"\x00"
    body[at:at] = part * max(1, (LARGE - len(body)) // len(part))


_Change = Callable[[random.Random, bytearray, Source, list[Source]], None]
_CHANGES: Final[tuple[_Change, ...]] = (
    _flip, _flip, _set, _set, _extreme, _extreme, _extreme, _digits, _cut, _drop, _insert, _repeat, _graft, _splice,
)  # fmt: skip
