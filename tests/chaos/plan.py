"""What a seed stands for: a bucket, runs, workers, limits and faults, all drawn before anything starts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Literal

Kind = Literal["sqlite", "postgres"]

PREFIXES = ("in/", "in/deep/", "in/deep/er", "a//b/", "./dots/", "Über/", "x+y %2F/", "log/2026-01-01/", "")
"""Where keys lie. Some lie within others; runs whose prefixes meet are drawn from these, too."""
_ODD = (
    "plain",
    "tilde~",
    "space end ",
    "plus+plus",
    "per%20cent",
    "quote'\"quote",
    "<tag>&amp;",
    "back\\slash",
    "naïve",
    "nai\u0308ve",
    "雪",
    "🚢",
    "\uffff",
    "UPPER",
    "upper",
    "..",
    "./x",
    "//",
    "question?mark#hash",
    "a" * 300,
)
STORMS = ("SlowDown", "InternalError", "reset", "cut", "truncated", "html", "slow", "session", "skew")
_FILTERS: tuple[dict[str, tuple[str, ...]], ...] = (
    {"include": ("**/0000*", "in/**")},
    {"exclude": ("**/d/**",)},
    {"exclude": ("**5",)},
)
_LAST_S = 2.8
"""Nothing begins later than this."""
_WORK = ("kill", "term", "freeze")
_BELL = ("bell-killed", "bell-emptied")
_SQLITE = ("disk-full",)
_POSTGRES = ("database-restarted", "database-killed", "database-cut")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run that is asked for."""

    at: float
    """Seconds after the schedule began."""
    uris: tuple[str, ...]
    depth: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    way: Literal["catalog", "queue"] = "catalog"
    """Written first and rung for, as `longshore submit` does; or put on the queue again and again until it is a run."""
    cancel_after: float | None = None
    """Somebody cancels it so long after it was written, whatever it is doing."""
    decision: Literal["confirmed", "rejected"] = "confirmed"
    """What a person says if it asks about its removals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that goes wrong, or changes, at a moment."""

    at: float
    kind: str
    seconds: float = 0.0
    """How long it lasts, or how long nobody mends it."""
    share: float = 0.0
    """Of the requests that it hits."""
    number: int = 0
    """Which of those that it could befall, or how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole schedule. Two of the same seed and catalog are equal."""

    seed: int
    catalog: Kind
    keys: int
    prefixes: tuple[str, ...]
    archived: float
    """Share of the objects that must be restored before they can be read."""
    connection: Literal["aws_role", "aws_keys"]
    workers: int
    list_s: float
    """How long each LIST takes: so that a run of everything takes some seconds, whatever its limits are."""
    head_s: float
    limits: dict[str, float]
    orders: tuple[Order, ...]
    acts: tuple[Act, ...]

    def __str__(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=True)

    def key(self, rng: Random, number: int) -> bytes:
        """The n-th key of the bucket."""
        prefix = rng.choice(self.prefixes)
        if rng.random() < 0.15:
            return f"{prefix}{rng.choice(_ODD)}{rng.choice(('', f'/{number}', f'{number:03d}'))}".encode()
        return f"{prefix}{rng.choice(('', 'd/', 'e'))}{number:06d}".encode()


def draw(seed: int, catalog: Kind) -> Plan:
    """The plan of a seed."""
    rng = Random(f"{seed} {catalog}")
    prefixes = tuple(rng.sample(PREFIXES, rng.randint(2, 5)))
    depth = rng.choice(("head", "head", "list"))
    keys = round(10 ** rng.uniform(2.0, 2.9 if depth == "head" else 3.3))
    orders, limits = _orders(rng, prefixes, depth), _limits(rng)
    acts = sorted((_act(rng, catalog) for _ in range(rng.randint(3, 8))), key=lambda act: act.at)
    limits["page_keys"] = min(
        limits["page_keys"], max(1, keys // 15)
    )  # some pages, else all is over before anything goes wrong
    busy_s = rng.uniform(1.0, 3.0)
    return Plan(
        seed=seed,
        catalog=catalog,
        keys=keys,
        prefixes=prefixes,
        archived=rng.choice((0.0, 0.0, 0.1)),
        connection=rng.choice(("aws_role", "aws_role", "aws_keys")),
        workers=rng.randint(1, 3),
        list_s=_between(0.01, busy_s * limits["list_streams"] * limits["page_keys"] / keys, 0.6),
        head_s=_between(0.01, busy_s * limits["probes_at_once"] / keys, 0.5),
        limits=limits,
        orders=orders,
        acts=tuple(acts),
    )


def _orders(rng: Random, prefixes: tuple[str, ...], depth: str) -> tuple[Order, ...]:
    orders = []
    for number in range(rng.randint(1, 3)):
        some = ("",) if rng.random() < 0.4 else tuple(rng.sample(prefixes, rng.randint(1, min(3, len(prefixes)))))
        filters = rng.choice(_FILTERS) if rng.random() < 0.25 else {}
        orders.append(
            Order(
                at=0.0 if number == 0 else rng.uniform(0.0, _LAST_S),
                uris=tuple(f"s3://chaos-bucket/{prefix}" for prefix in some),
                depth=rng.choice((depth, depth, "list", "head")),
                way=rng.choice(("catalog", "queue")),
                cancel_after=rng.uniform(0.1, 2.0) if rng.random() < 0.1 else None,
                decision=rng.choice(("confirmed", "rejected")),
                **filters,
            )
        )
    return tuple(orders)


def _between(least: float, value: float, most: float) -> float:
    return round(max(least, min(value, most)), 3)


def _act(rng: Random, catalog: Kind) -> Act:
    mine = _SQLITE if catalog == "sqlite" else _POSTGRES * 2
    kind = rng.choice((*_WORK, *_WORK, *_BELL, *mine, "storm", "storm", "write", "write"))
    at, number = rng.uniform(0.3, _LAST_S), rng.randrange(1_000_000)
    match kind:
        case "storm":
            return Act(at=at, kind=rng.choice(STORMS), seconds=rng.uniform(0.2, 1.2), share=rng.uniform(0.05, 0.5))
        case "freeze":
            return Act(at=at, kind=kind, seconds=rng.uniform(0.3, 2.2), number=number)
        case "write":
            return Act(at=at, kind=kind, number=rng.randint(1, 60), share=rng.random())
        case _:
            return Act(at=at, kind=kind, seconds=rng.uniform(0.0, 0.8), number=number)


def _limits(rng: Random) -> dict[str, Any]:
    brake = rng.choice(({}, {}, {"removals_min": 0, "removals_share": 0.02}, {"removals_most": 3}))
    return {
        "lease_s": 1.0,
        "heartbeat_s": 0.2,
        "sweep_s": 0.2,
        "drain_s": rng.choice((0.3, 2.0)),
        "slice_s": rng.choice((0.2, 0.5, 60.0)),
        "slices_at_once": rng.choice((1, 2, 8)),
        "shards_per_connection": rng.choice((1, 3, 64)),
        "list_streams": rng.choice((1, 2, 4, 8)),
        "list_ahead": rng.choice((1, 4)),
        "probes_at_once": rng.choice((4, 8, 16)),
        "pieces_at_once": rng.choice((1, 3, 8)),
        "spans_per_commit": rng.choice((1, 4, 16)),
        "page_keys": rng.choice((7, 25, 60, 200)),
        "span_probes": rng.choice((3, 10, 25)),
        "known_rows": rng.choice((20, 100, 5000)),
        "remembered_spans": rng.choice((0, 30, 30_000)),
        "attempts": rng.choice((3, 8)),
        "backoff_first_s": 0.02,
        "backoff_most_s": 0.2,
        "retry_reserve": 1000,
        "gate_slowest": 100,
        "connect_s": 1.0,
        "first_byte_s": 2.0,
        "idle_s": 1.0,
        "request_s": 4.0,
        "sts_read_s": 1.0,
        "sts_connect_s": 1.0,
        "sts_negative_s": 0.1,
        "sts_negative_most_s": 0.3,
        "failures_before_rest": 10_000,
        **brake,
    }
