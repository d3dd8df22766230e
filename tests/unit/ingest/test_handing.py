"""Handing over in the catalog: flags, fences, commits of unknown outcome; nothing is ever lost or done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from config.database import Database
from config.errors import CatalogUnavailableError, FencedError
from config.limits import Limits
from ingest.catalog.assets import Place
from ingest.catalog.catalog import Catalog
from ingest.catalog.meeting import Places
from ingest.catalog.shards import Shard, Todo, Usage, load
from ingest.catalog.spans import Span
from ingest.compare import Merged
from ingest.job import IngestJob
from ingest.model import Range
from tests.fakes.running import a_catalog, expire_leases, new_run

T = TypeVar("T")
LIMITS = Limits(heartbeat_s=60, lease_s=600, catalog_pause_first_s=0.001)
PLACE = Place("c", "bucket-a")


@pytest.fixture(name="here")
async def _here(tmp_path: Path) -> AsyncGenerator[tuple[Catalog, Database]]:
    async with a_catalog(tmp_path, LIMITS) as both:
        yield both


def span(lo: bytes | None, hi: bytes | None) -> Span:
    return Span(source=0, merged=Merged(Range(lo, hi)))


async def commit(catalog: Catalog, shard: Shard, *spans: Span, gifts: tuple[tuple[Todo, ...], ...] = ()) -> Shard:
    return await catalog.commit(shard, spans, place=PLACE, usage=Usage(), gifts=gifts)


async def owned(catalog: Catalog, owner: str) -> Shard:
    taken = await catalog.claim(owner=owner)
    assert taken is not None
    return taken[0]


async def flags(database: Database) -> set[str]:
    return await database.read(lambda tx: set(tx.execute(sa.text("SELECT owner FROM idle")).scalars()))


async def tiles(database: Database) -> list[Range]:
    """Everything that is committed or still to do, in order."""

    def find(tx: sa.Connection) -> list[Range]:
        spans = tx.execute(sa.text("SELECT lo, hi FROM spans")).all()
        todo = tx.execute(sa.text("SELECT ranges FROM shards WHERE state IN ('ready', 'leased')")).scalars()
        return [*(Range(*row) for row in spans), *(part for text in todo for _, part in load(text))]

    return sorted(await database.read(find), key=lambda part: part.lo or b"")


async def test_who_finds_nothing_says_so_until_it_has_something(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    assert await catalog.claim(owner="idle") is None
    assert await flags(database) == {"idle"}
    await new_run(catalog)
    shard = await owned(catalog, "busy")
    assert shard.idle == 1
    assert await catalog.claim(owner="busy") is None  # another slot of a process that is at work
    assert await catalog.claim(owner="local", run_id=shard.run_id) is None  # it would take nothing else
    assert await flags(database) == {"idle"}
    assert await catalog.renew(shard) == 1
    await catalog.stops("idle")
    assert (await flags(database), await catalog.renew(shard)) == (set(), 0)


async def test_a_flag_falls_by_itself(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    await new_run(catalog)
    shard = await owned(catalog, "busy")
    assert await catalog.claim(owner="idle") is None
    await database.transaction(lambda tx: tx.execute(sa.text("UPDATE idle SET until = 1")))
    assert (await catalog.renew(shard), (await commit(catalog, shard, span(None, b"a"))).idle) == (0, 0)
    assert await catalog.claim(owner="other") is None
    assert await flags(database) == {"other"}


async def test_a_gift_is_a_shard_of_its_own_and_answers_a_flag(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    await new_run(catalog)
    shard = await owned(catalog, "giver")
    for name in ("one", "two", "three"):
        assert await catalog.claim(owner=name) is None
    shard = await commit(catalog, shard, span(None, b"a"))
    assert (shard.seq, shard.idle) == (1, 3)
    gifts = (((0, Range(b"c", b"d")), (0, Range(b"f", None))), ((0, Range(b"d", b"e")),))
    shard = await commit(catalog, shard, span(b"a", b"b"), gifts=gifts)
    assert (shard.seq, shard.idle, len(await flags(database))) == (3, 1, 1)
    assert shard.todo == ((0, Range(b"b", b"c")), (0, Range(b"e", b"f")))
    shard = await commit(catalog, shard, gifts=(((0, Range(b"b", b"c")),),))  # without a span
    assert (shard.seq, shard.idle) == (4, 0)
    assert {(await owned(catalog, name)).todo for name in ("one", "two", "three")} == {
        *gifts,
        ((0, Range(b"b", b"c")),),
    }


async def test_who_is_at_work_takes_no_gift_unless_nobody_does(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    await new_run(catalog)
    shard = await owned(catalog, "giver")
    shard = await commit(catalog, shard, gifts=(((0, Range(b"m", None)),),))
    assert await catalog.claim(owner="giver") is None
    assert (await catalog.waiting())[0] == 1
    assert (await catalog.waiting(but=shard.run_id))[0] == 0
    await database.transaction(lambda tx: tx.execute(sa.text("UPDATE shards SET rest_until = 1 WHERE giver = 'giver'")))
    assert (await owned(catalog, "giver")).todo == ((0, Range(b"m", None)),)


async def test_who_gave_and_has_nothing_left_takes_it_back(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    await new_run(catalog)
    shard = await commit(catalog, await owned(catalog, "giver"), gifts=(((0, Range(b"m", None)),),))
    assert (await commit(catalog, shard, span(None, b"m"))).todo == ()
    assert (await owned(catalog, "giver")).todo == ((0, Range(b"m", None)),)


async def test_who_lost_its_lease_gives_nothing_away(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    await new_run(catalog)
    shard = await owned(catalog, "asleep")
    await expire_leases(database)
    await owned(catalog, "next")
    with pytest.raises(FencedError):
        await commit(catalog, shard, gifts=(((0, Range(b"m", None)),),))
    assert await tiles(database) == [Range()]


async def test_what_is_not_to_do_here_can_not_be_given(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    await new_run(catalog)
    shard = await commit(catalog, await owned(catalog, "giver"), span(None, b"m"))
    with pytest.raises(ValueError, match="not among what is left"):
        await commit(catalog, shard, gifts=(((0, Range(b"a", b"b")),),))
    with pytest.raises(ValueError, match="not among what is left"):
        await commit(catalog, shard, span(b"m", b"p"), gifts=(((0, Range(b"o", b"q")),),))
    assert await tiles(database) == [Range(None, b"m"), Range(b"m", None)]


class Unsure:
    """A database whose next COMMITs are done, and reported as lost."""

    def __init__(self, inner: Database) -> None:
        self._inner, self.losses = inner, 0

    async def transaction(self, work: Callable[[sa.Connection], T]) -> T:
        result = await self._inner.transaction(work)
        if self.losses:
            self.losses -= 1
            raise CatalogUnavailableError("the connection broke at COMMIT")
        return result

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        return await self._inner.read(work)

    async def aclose(self) -> None:
        await self._inner.aclose()


STEP = st.tuples(
    st.sampled_from(["claim", "commit", "give", "both", "crash", "unsure", "back", "end"]),
    st.integers(0, 3),
    st.lists(st.integers(0, 99), min_size=2, max_size=6),
)


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(STEP, max_size=40))
def test_whatever_workers_do_and_whoever_dies_everything_is_done_once(
    steps: list[tuple[str, int, list[int]]],
) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(_play(Path(folder), steps))


async def _play(folder: Path, steps: list[tuple[str, int, list[int]]]) -> None:
    async with a_catalog(folder, LIMITS) as (_, database):
        unsure = Unsure(database)
        catalog = Catalog(database=unsure, workspace="main", limits=LIMITS)
        await new_run(catalog)
        held: dict[int, Shard] = {}
        for action, who, numbers in steps:
            await _step(catalog, database, unsure, held, action, who, numbers)
            found = await tiles(database)
            assert (found[0].lo, found[-1].hi) == (None, None)
            assert [part.hi for part in found[:-1]] == [part.lo for part in found[1:]]


async def _step(
    catalog: Catalog,
    database: Database,
    unsure: Unsure,
    held: dict[int, Shard],
    action: str,
    who: int,
    numbers: list[int],
) -> None:
    if action == "crash":
        held.clear()
        await expire_leases(database)
        await Catalog(database=database, workspace="main", limits=LIMITS).sweep()  # one that has seen no outage
    elif who not in held:
        taken = await catalog.claim(owner=f"worker-{who}")
        if taken is not None and taken[0].kind == "close":
            await catalog.give_back(taken[0], usage=Usage())
        elif taken is not None:
            held[who] = taken[0]
    elif action == "back":
        await catalog.give_back(held.pop(who), usage=Usage())
    else:
        shard = held[who]
        pieces = _pieces(shard, numbers)
        done = pieces[::2] if action in ("commit", "both", "unsure") else pieces if action == "end" else []
        given = pieces[1::2] if action in ("give", "both", "unsure") else []
        unsure.losses = action == "unsure"
        spans = [span(piece.lo, piece.hi) for piece in done]
        gifts = tuple(((0, piece),) for piece in given)
        if spans or gifts:
            held[who] = await commit(catalog, shard, *spans, gifts=gifts)
            known = await database.read(
                lambda tx: tx.execute(sa.text("SELECT seq, ranges FROM shards WHERE id = :id"), {"id": shard.id}).one()
            )
            assert (held[who].seq, held[who].todo) == (known.seq, load(known.ranges))
        if not held[who].todo:
            del held[who]


def _pieces(shard: Shard, numbers: list[int]) -> list[Range]:
    """A part of what is to do, cut at these places as far as they lie in it."""
    part = shard.todo[numbers[0] % len(shard.todo)][1]
    inside = sorted({key for number in numbers if (key := b"%02d" % number) in part and key != part.hi})
    ends = [part.lo, *inside, part.hi]
    return [Range(lo, hi) for lo, hi in pairwise(ends)]


@pytest.mark.acceptance("LS-14")
async def test_a_process_keeps_room_for_other_connections(here: tuple[Catalog, Database]) -> None:
    """However many shards one run has: whoever comes next need not wait until one of them is done."""
    catalog, _ = here
    many = {"uris": [f"s3://bucket-a/{number}/" for number in range(20)]}
    await catalog.create_run(IngestJob.read(many), connection_id="big", origin="queue")
    for _ in range(LIMITS.slices_per_connection):
        await owned(catalog, "worker")
    assert await catalog.claim(owner="worker") is None
    await catalog.create_run(IngestJob.read({"uris": ["s3://bucket-b"]}), connection_id="small", origin="queue")
    taken = await catalog.claim(owner="worker")
    assert taken is not None
    assert taken[1].connection_id == "small"


@pytest.mark.acceptance("LS-14")
async def test_what_waits_is_what_somebody_could_claim(tmp_path: Path) -> None:
    limits = Limits(shards_per_connection=2)
    async with a_catalog(tmp_path, limits) as (catalog, _):
        first = await new_run(catalog, uris=["s3://bucket-a/x/"])
        behind = await new_run(catalog, uris=["s3://bucket-a"])
        await new_run(catalog, uris=["s3://bucket-a/y/"])  # behind the one that waits
        assert (await catalog.waiting())[0] == 1
        assert (await catalog.waiting(but=first))[0] == 0
        await owned(catalog, "w")
        assert (await catalog.waiting())[0] == 0
        assert await catalog.waits_for(behind) == [first]
        await new_run(catalog, uris=["s3://bucket-b", "s3://bucket-c"])
        assert (await catalog.waiting())[0] == 2
        await owned(catalog, "w")
        assert (await catalog.waiting())[0] == 0  # the connection has as many as it may


PREFIX = st.text("ab", max_size=4).map(lambda text: text.encode().hex())


@given(
    held=st.lists(st.tuples(st.sampled_from("xy"), PREFIX), max_size=8),
    asked=st.lists(st.tuples(st.sampled_from("xy"), PREFIX), max_size=3),
)
def test_places_meet_where_one_lies_above_the_other(held: list[tuple[str, str]], asked: list[tuple[str, str]]) -> None:
    places = Places()
    places.add(held)
    assert places.meet(asked) == any(
        bucket == other and (prefix.startswith(above) or above.startswith(prefix))
        for bucket, prefix in asked
        for other, above in held
    )
