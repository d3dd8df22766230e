"""The lister: pieces tile what was to do and hold every key once, whatever the key space, the server and the order of answers."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from config.errors import AccessDeniedError, ListingError, RequestRefusedError, SourceUnavailableError
from ingest.lister import Lister, Piece
from ingest.model import Entries, Entry, Page, Range, Recall


@dataclass
class Shelf:
    """A server in memory that answers after any number of turns of the loop, as `random` has it."""

    keys: set[bytes]
    page_keys: int
    random: random.Random
    prefix: bytes = b""
    ignores: str = ""
    """start-after: answers from the beginning; all: from the beginning to the end, at once."""
    no_folders: Exception | None = None
    changes: Callable[[], None] = lambda: None
    """Called before each answer."""
    asked: list[tuple[bytes | None, bytes]] = field(default_factory=list)
    open: int = 0

    async def list_page(self, *, prefix: bytes, start_after: bytes | None = None, delimiter: bytes = b"") -> Page:
        if delimiter and self.no_folders is not None:
            raise self.no_folders
        names: list[bytes] = []
        for key in await self._answer(prefix, start_after, delimiter):
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            name = key if end < 0 else key[: end + 1]
            if not names or names[-1] != name:
                names.append(name)
        shown = names[: self.page_keys]
        folders = [name for name in shown if delimiter and delimiter in name[len(prefix) :]]
        entries = Entries.of(_entry(name) for name in shown if name not in folders)
        return Page(entries=entries, common_prefixes=folders, next_token="t" if len(names) > len(shown) else None)

    async def pages(
        self, *, prefix: bytes, within: Range | None = None, recall: Recall | None = None
    ) -> AsyncGenerator[Page]:
        start = within.lo if within else None
        token: bytes | None = None
        self.open += 1
        try:
            while True:
                keys = await self._answer(prefix, start if token is None else None, b"")
                keys = keys[bisect_right(keys, token) :] if token is not None else keys
                shown = keys[: self.page_keys]
                if start is not None and shown and shown[0] <= start:
                    raise ListingError("from the beginning", code="UnorderedListing")
                last = len(shown) == len(keys)
                yield Page(entries=Entries.of(map(_entry, shown)), next_token=None if last else "t")
                if last:
                    return
                token = shown[-1]
        finally:
            self.open -= 1

    async def _answer(self, prefix: bytes, start_after: bytes | None, delimiter: bytes) -> list[bytes]:
        assert prefix == self.prefix, "a policy may forbid any other prefix"
        if start_after is not None:
            start_after.decode()
            assert 0 < len(start_after) <= 1024
        self.asked.append((start_after, delimiter))
        for _ in range(self.random.choice((0, 0, 1, 2, 5, 20))):
            await asyncio.sleep(0)
        self.changes()
        keys = sorted(key for key in self.keys if key.startswith(prefix))
        ignored = self.ignores == "start-after" or start_after is None
        return keys if ignored or start_after is None else keys[bisect_right(keys, start_after) :]


def _entry(key: bytes) -> Entry:
    return Entry(key, 1, "e", "2026-01-01T00:00:00.000Z", "STANDARD")


async def listed(shelf: Shelf, todo: Sequence[Range] = (Range(),), *, streams: int = 8, ahead: int = 2) -> list[Piece]:
    lister = Lister(source=shelf, prefix=shelf.prefix, todo=todo, streams=streams, ahead=ahead)
    pieces: list[Piece] = []
    async with lister.started():
        while (piece := await lister.next()) is not None:
            pieces.append(piece)
            for _ in range(shelf.random.choice((0, 0, 3))):
                await asyncio.sleep(0)
    assert shelf.open == 0
    assert len(asyncio.all_tasks()) == 1
    return pieces


def check(pieces: list[Piece], todo: Sequence[Range], keys: set[bytes]) -> None:
    """Pieces tile the ranges, and hold every key of theirs once, in order."""
    inside = [key for key in sorted(keys) if any(key in part for part in todo)]
    assert sorted(entry.key for piece in pieces for entry in piece.entries) == inside
    for piece in pieces:
        found = [entry.key for entry in piece.entries]
        assert found == sorted(found)
        assert all(key in piece.within for key in found)
    tiled(pieces, todo)


def tiled(pieces: list[Piece], todo: Sequence[Range]) -> None:
    parts = sorted((piece.within for piece in pieces), key=lambda part: part.lo or b"")
    for part in sorted(todo, key=lambda part: part.lo or b""):
        at = part.lo
        while True:
            piece = parts.pop(0)
            assert piece.lo == at
            assert piece.hi is None or at is None or piece.hi > at
            at = piece.hi
            if at == part.hi:
                break
    assert parts == []


_names = st.one_of(
    st.text(max_size=6),
    st.text("ab/", max_size=8),
    st.integers(0, 10**6).map(str),
    st.integers(0, 400).map("{:04}".format),
    st.sampled_from(["\x00", "\U0010ffff", "é", "文件", "😀", "\ud7ff", "~"]),
)
_keys = st.one_of(
    _names.map(str.encode),
    st.tuples(st.sampled_from(["", "d/", "d/e/", "文/", "long/" * 60]), _names).map(lambda two: "".join(two).encode()),
    st.binary(max_size=4),
).filter(lambda key: 0 < len(key) <= 1024)
_bursts = st.builds(
    lambda head, first, count: {f"{head}{number:05}".encode() for number in range(first, first + count)},
    st.sampled_from(["", "d/", "d/e/x-", "文/文"]),
    st.integers(0, 500),
    st.integers(0, 120),
)
spaces = st.builds(lambda one, *more: one.union(*more), st.sets(_keys, max_size=60), _bursts, _bursts)


@st.composite
def _todo(draw: st.DrawFn, keys: set[bytes]) -> list[Range]:
    """Everything, or some of what lies between a few ends, which may be keys."""
    if draw(st.booleans()):
        return [Range()]
    some = st.sampled_from(sorted(keys)) if keys else _keys
    valid = st.one_of(some, _keys).filter(_decodes)
    ends: list[bytes | None] = [None, *sorted(draw(st.sets(valid, max_size=5))), None]
    parts = [Range(lo, hi) for lo, hi in pairwise(ends)]
    return [part for part in parts if draw(st.integers(0, 3))]


def _decodes(key: bytes) -> bool:
    try:
        key.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.acceptance("LS-01")
@settings(max_examples=400, deadline=None)
@given(data=st.data(), keys=spaces, page_keys=st.integers(1, 10), streams=st.integers(1, 12), seed=st.integers(0, 999))
def test_pieces_tile_and_every_key_comes_once(
    data: st.DataObject, keys: set[bytes], page_keys: int, streams: int, seed: int
) -> None:
    shelf = Shelf(keys, page_keys, random.Random(seed))
    todo = data.draw(_todo(keys))
    check(asyncio.run(listed(shelf, todo, streams=streams)), todo, keys)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), keys=spaces, page_keys=st.integers(1, 10), streams=st.integers(1, 12), seed=st.integers(0, 999))
def test_a_server_that_ignores_start_after_is_listed_all_the_same(
    data: st.DataObject, keys: set[bytes], page_keys: int, streams: int, seed: int
) -> None:
    """Also when only parts of it are left to do, by another worker than the one that began."""
    shelf = Shelf(keys, page_keys, random.Random(seed), ignores="start-after")
    todo = data.draw(_todo(keys))
    check(asyncio.run(listed(shelf, todo, streams=streams)), todo, keys)


@settings(max_examples=100, deadline=None)
@given(keys=spaces, page_keys=st.integers(1, 10), seed=st.integers(0, 999))
@example(keys={b"d/%03d" % number for number in range(100)}, page_keys=3, seed=1)
def test_a_prefix_is_sent_as_it_is(keys: set[bytes], page_keys: int, seed: int) -> None:
    shelf = Shelf(keys, page_keys, random.Random(seed), prefix=b"d/", no_folders=AccessDeniedError("no delimiter"))
    check(asyncio.run(listed(shelf)), [Range()], {key for key in keys if key.startswith(b"d/")})


@settings(max_examples=150, deadline=None)
@given(stay=spaces, come=spaces, page_keys=st.integers(1, 10), streams=st.integers(1, 12), seed=st.integers(0, 999))
def test_what_is_there_throughout_comes_once_while_others_come_and_go(
    stay: set[bytes], come: set[bytes], page_keys: int, streams: int, seed: int
) -> None:
    shelf = Shelf(set(stay), page_keys, random.Random(seed))
    others = sorted(come - stay)

    def change() -> None:
        for _ in range(min(3, len(others))):
            shelf.keys ^= {shelf.random.choice(others)}

    shelf.changes = change
    pieces = asyncio.run(listed(shelf, streams=streams))
    found = [entry.key for piece in pieces for entry in piece.entries]
    assert len(found) == len(set(found))
    assert stay <= set(found)
    tiled(pieces, [Range()])


def flat(count: int, head: str = "img_") -> set[bytes]:
    return {f"{head}{number:08}".encode() for number in range(count)}


@pytest.mark.acceptance("LS-01")
async def test_many_streams_list_one_flat_range_at_once() -> None:
    shelf = Shelf(flat(2_000), 10, random.Random(1))
    most = 0

    def look() -> None:
        nonlocal most
        most = max(most, shelf.open)

    shelf.changes = look
    check(await listed(shelf, streams=16), [Range()], shelf.keys)
    assert most > 10
    assert len(shelf.asked) < 1.25 * 200


@pytest.mark.parametrize("keys", [set(), {b"a"}, flat(10), {b"d/%d" % number for number in range(10)}])
async def test_what_fits_on_a_page_costs_one_request(keys: set[bytes]) -> None:
    shelf = Shelf(keys, 10, random.Random(1))
    check(await listed(shelf, streams=64), [Range()], keys)
    assert shelf.asked == [(None, b"")]


async def test_a_server_that_ignores_start_after_is_asked_by_tokens_from_where_they_stand() -> None:
    shelf = Shelf(flat(1_000), 10, random.Random(1), ignores="start-after")
    check(await listed(shelf, streams=8), [Range()], shelf.keys)
    assert sum(start is None for start, _ in shelf.asked) == 100
    assert sum(start is not None for start, _ in shelf.asked) < 8


async def test_a_server_that_refuses_start_after_is_asked_by_tokens() -> None:
    class Refuses(Shelf):
        async def _answer(self, prefix: bytes, start_after: bytes | None, delimiter: bytes) -> list[bytes]:
            if start_after is not None:
                raise RequestRefusedError("not implemented", code="NotImplemented")
            return await super()._answer(prefix, start_after, delimiter)

    shelf = Refuses(flat(300), 10, random.Random(1))
    check(await listed(shelf), [Range()], shelf.keys)


@pytest.mark.parametrize("error", [AccessDeniedError("no"), SourceUnavailableError("slow"), ListingError("odd")])
async def test_folders_that_can_not_be_asked_for_are_done_without(error: Exception) -> None:
    keys = {b"d%02d/%03d" % (folder, number) for folder in range(20) for number in range(50)}
    shelf = Shelf(keys, 10, random.Random(1), no_folders=error)
    check(await listed(shelf), [Range()], keys)


async def test_where_keys_are_no_utf8_nothing_is_cut() -> None:
    keys = {b"\xff\xfe%03d" % number for number in range(200)}
    shelf = Shelf(keys, 10, random.Random(1))
    check(await listed(shelf), [Range()], keys)
    assert {start for start, _ in shelf.asked} == {None}


async def test_an_error_of_one_stream_is_raised_and_no_task_is_left() -> None:
    shelf = Shelf(flat(500), 10, random.Random(1))

    def breaks() -> None:
        if len(shelf.asked) == 20:
            raise SourceUnavailableError("gone")

    shelf.changes = breaks
    with pytest.raises(ExceptionGroup) as raised:
        await listed(shelf)
    assert raised.group_contains(SourceUnavailableError)
    assert shelf.open == 0


async def test_a_listing_out_of_order_from_the_start_is_no_listing() -> None:
    class Disorder(Shelf):
        async def pages(
            self, *, prefix: bytes, within: Range | None = None, recall: Recall | None = None
        ) -> AsyncGenerator[Page]:
            yield Page(entries=Entries.of([_entry(b"a"), _entry(b"b")]), next_token="t")
            raise ListingError("unordered", code="UnorderedListing")

    with pytest.raises(ExceptionGroup) as raised:
        await listed(Disorder({b"a"}, 1, random.Random(1)))
    assert raised.group_contains(ListingError)


async def test_leaving_early_leaves_nothing_behind() -> None:
    shelf = Shelf(flat(500), 10, random.Random(1))
    lister = Lister(source=shelf, prefix=b"", todo=[Range()], streams=8, ahead=1)
    async with lister.started():
        for _ in range(5):
            assert await lister.next() is not None
        for _ in range(200):
            await asyncio.sleep(0)
        asked = len(shelf.asked)
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(shelf.asked) == asked, "what nobody takes is not listed"
    assert shelf.open == 0
    assert len(asyncio.all_tasks()) == 1
