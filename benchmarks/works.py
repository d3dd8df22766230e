"""What is measured: the works, their sizes, and who takes part in each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from benchmarks.shapes import SHAPES

STREAMS: Final = 64
"""Requests at once, for whoever lets us choose; the floor too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One comparison on one server."""

    name: str
    title: str
    kind: Literal["list", "head", "media", "commit"]
    """What is done to the bucket; or, without one, rows that go into a catalog on PostgreSQL."""
    shape: str
    keys: int
    peers: tuple[str, ...] = ()
    """Besides longshore."""
    repeat: int = 3
    latency_ms: float = 0.0
    limit: float = 0.0
    ours: bool = True
    """Whether longshore itself takes part."""
    unchanged: bool = False
    """Ours starts with a catalog that has seen the bucket."""
    fleet: bool = False
    """It is about several worker processes, not about peers; see `benchmarks.fleet`."""

    @property
    def group(self) -> str:
        """What `--work` calls it: the name up to the first dash."""
        return self.name.split("-")[0]


_EVERYONE: Final = ("floor", "aiobotocore", "boto3", "obstore", "s5cmd", "rclone", "s3fs", "datachain")
_MILLION: Final = 1_000_000
_HEADS: Final = 100_000
_MIXED: Final = 20_000
_FAIR: Final[tuple[tuple[str, Literal["list", "head"]], ...]] = (("fair", "list"), ("fair-head", "head"))
_WORKS: Final = (
    Work(name="list", title="list depth, no latency", kind="list", shape="hash", keys=_MILLION, peers=_EVERYONE),
    Work(
        name="latency",
        title="list depth, 50 ms per request",
        kind="list",
        shape="hash",
        keys=_MILLION,
        latency_ms=50,
        peers=("floor", "aiobotocore", "obstore", "s5cmd", "rclone"),
    ),
    Work(name="head", title="head depth, no latency", kind="head", shape="hash", keys=_HEADS, peers=_EVERYONE),
    Work(
        name="media-head",
        title="head depth on 20,000 pictures, films, sounds and documents",
        kind="head",
        shape="mixed",
        keys=_MIXED,
        repeat=5,
    ),
    Work(
        name="media",
        title="media depth on the same",
        kind="media",
        shape="mixed",
        keys=_MIXED,
        repeat=5,
    ),
    Work(
        name="wire",
        title="HEADs alone: what each client's wire costs",
        kind="head",
        shape="hash",
        keys=_HEADS,
        peers=("bare", "bare_aiohttp", "floor", "aiobotocore", "obstore"),
        ours=False,
    ),
    Work(
        name="rerun",
        title="unchanged re-run",
        kind="list",
        shape="hash",
        keys=_MILLION,
        unchanged=True,
        repeat=5,
        peers=("bare",),
    ),
    Work(
        name="limit",
        title="head depth, server limited to 2,000 requests/s",
        kind="head",
        shape="hash",
        keys=60_000,
        limit=2000,
        repeat=1,
    ),
    *(
        Work(
            name=f"shape-{shape}",
            title=f"list depth, 20 ms, {shape}",
            kind="list",
            shape=shape,
            keys=_MILLION,
            latency_ms=20,
            repeat=1,
        )
        for shape in SHAPES
    ),
    Work(
        name="commit",
        title="commits of 4,000 rows on PostgreSQL",
        kind="commit",
        shape="hash",
        keys=_MILLION,
        peers=("spans", "copy_merge"),
        ours=False,
    ),
    Work(
        name="scale",
        title="one run on one worker and on four, each held to 16 requests at once, 50 ms",
        kind="head",
        shape="hash",
        keys=20_000,
        latency_ms=50,
        repeat=1,
        fleet=True,
    ),
    *(
        Work(
            name=name,
            title=f"ten runs of 1,000 keys, alone and beside one of a million, two workers, {kind} depth, 20 ms",
            kind=kind,
            shape="flat",
            keys=_MILLION,
            latency_ms=20,
            repeat=1,
            fleet=True,
        )
        for name, kind in _FAIR
    ),
    Work(name="memory", title="memory, list depth", kind="list", shape="hash", keys=10 * _MILLION, repeat=1),
)


def works(*, quick: bool, repeat: int | None, keys: int | None) -> list[Work]:
    """All of them. `quick`: one run each of 10,000 keys, or 2,000 at head depth; `keys` and `repeat` overrule."""
    found = list(_WORKS)
    if quick:
        found = [replace(one, keys=2_000 if one.kind in ("head", "media") else 10_000, repeat=1) for one in found]
    if keys is not None:
        found = [replace(one, keys=keys) for one in found]
    if repeat is not None:
        found = [replace(one, repeat=repeat) for one in found]
    return found
