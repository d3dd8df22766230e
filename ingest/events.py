"""What ingest tells whoever watches. One event per request, span or slice, never per key; telemetry turns them into metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

RequestClass = Literal["list", "head", "get", "tags", "copy"]
GateClass = Literal["list", "read", "write"]
"""What storage counts apart: HEADs and GETs are one, tags too; copies are writes."""


NEVER_SENT = frozenset({"AddressDenied", "CertificateInvalid", "RequestInvalid", "Unreachable"})
"""Outcomes of attempts that ended before a byte was sent, so that nobody asks for money."""


class RequestMade(NamedTuple):
    """One attempt of one request to the storage ended. The one event that comes for every object."""

    bucket: str
    request: RequestClass
    outcome: str
    """`ok`, or the code of the error: bounded (S3's own codes, or names of our error classes)."""
    seconds: float
    bytes_read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GateChanged:
    """One bucket takes more or fewer requests of a class than before. At most about four times per second and gate."""

    bucket: str
    request: GateClass
    places: int
    """In flight at once."""
    rate: float | None
    """Per second; None: as many as there are places for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanCommitted:
    """One transaction brought one or more spans into the catalog."""

    connection: str
    outcomes: dict[str, int]
    """Entries by outcome: filtered, unchanged, vanished, archived, failed, changed, added."""
    rows: int
    """Asset rows written."""
    seconds: float
    """Time of the transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardsHandedOver:
    """An owner gave some of what it had to do to workers that had nothing."""

    connection: str
    shards: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceEnded:
    """A worker gives a shard back."""

    connection: str
    outcome: Literal["done", "paused", "resting", "failed", "fenced"]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    connection: str
    state: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogAway:
    """The catalog is full, busy or down; work waits for it. Told at once, and again from time to time."""

    reason: str
    seconds: float
    """For how long it has been away."""
    again: bool
    """Whether this was told before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogBack:
    """Work goes on."""

    seconds: float
    """For how long it was away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """Rows that were kept for long enough are gone from a table."""

    table: Literal["spans", "assets", "runs"]
    rows: int


Event = (
    RequestMade
    | GateChanged
    | SpanCommitted
    | ShardsHandedOver
    | SliceEnded
    | RunEnded
    | CatalogAway
    | CatalogBack
    | Purged
)
Observe = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """An observer that looks away."""
