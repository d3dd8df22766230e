"""Turns what the rooms tell into Prometheus metrics; the only file that knows prometheus_client."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from credentials.events import Event as CredentialEvent
from credentials.events import SessionRefreshed, SessionServed
from ingest.events import (
    CatalogAway,
    CatalogBack,
    GateChanged,
    Purged,
    RequestMade,
    RunEnded,
    ShardsHandedOver,
    SliceEnded,
    SpanCommitted,
)
from ingest.events import Event as IngestEvent

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
_OTHER: Final = "other"
_REQUEST_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_COMMIT_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
_SLICE_S: Final = (0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 900, 3600)

Metric = TypeVar("Metric", Counter, Gauge, Histogram)


class _Few:
    """The first `most` different values; any later one is `other`, so that nobody outside decides how many series there are."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        if value not in self._seen:
            if len(self._seen) >= self._most:
                return _OTHER
            self._seen.add(value)
        return value


class _By(Generic[Metric]):
    """A metric by its labels. Children are kept, since finding one costs four times what counting costs."""

    def __init__(self, metric: Metric, *few: _Few) -> None:
        self._metric: Metric = metric
        self._few = few
        self._children: dict[tuple[str, ...], Metric] = {}

    def __call__(self, *values: str) -> Metric:
        child = self._children.get(values)
        if child is None:
            bounded = tuple(few(value) for few, value in zip(self._few, values, strict=True))
            child = self._children.get(bounded)
            if child is None:
                child = self._children[bounded] = self._metric.labels(*bounded)
        return child


class Telemetry:
    """The metrics of one process, in a registry of their own. `observe` never raises and takes about a microsecond."""

    def __init__(self, *, version: str) -> None:
        # A process-wide switch: it saves a third of the series, and Prometheus can tell a restart without.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library does not say that it returns nothing
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._gauge("build_info", "Constant 1, labelled with the version.", "version").labels(version).set(1)
        connection, bucket, code, fixed = _Few(500), _Few(200), _Few(100), _Few(50)
        self._ingest(connection, bucket, code, fixed)
        self._gates(bucket, fixed)
        self._sessions(connection, code, fixed)
        self._process()
        self._observers: dict[type[Any], Callable[[Any], None]] = {
            RequestMade: self._request_made,
            GateChanged: self._gate_changed,
            SpanCommitted: self._span_committed,
            ShardsHandedOver: self._shards_handed_over,
            SliceEnded: self._slice_ended,
            RunEnded: self._run_ended,
            SessionServed: self._session_served,
            SessionRefreshed: self._session_refreshed,
            CatalogAway: self._catalog_away,
            CatalogBack: self._catalog_back,
            Purged: self._purged_rows,
        }

    def observe(self, event: IngestEvent | CredentialEvent) -> None:
        """Count an event."""
        self._observers[type(event)](event)

    def queue(self, *, depth: int, age_s: float) -> None:
        """Shards that wait in the catalog, and how long the oldest has waited."""
        self._depth.set(depth)
        self._age.set(age_s)

    def swept(self, *, ok: bool) -> None:
        """The sweeper has looked at the catalog, or could not."""
        self._sweeps("ok" if ok else "failed").inc()

    def watch(
        self, *, slots_busy: Callable[[], int], redis_up: Callable[[], bool], catalog_waiting: Callable[[], int]
    ) -> None:
        """Where to read what is only known when asked."""
        self._catalog_waiting.set_function(catalog_waiting)
        self._busy.set_function(slots_busy)
        self._redis_up.set_function(redis_up)

    def render(self) -> bytes:
        """All metrics as text. Takes 10 ms per thousand series: not on the event loop. May be called from any thread."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace="longshore", registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace="longshore", registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, labels, namespace="longshore", registry=self._registry, buckets=buckets)

    def _ingest(self, connection: _Few, bucket: _Few, code: _Few, fixed: _Few) -> None:
        counter, histogram = self._counter, self._histogram
        runs = counter("runs", "Runs that workers ended, by the state they ended in.", "connection", "state")
        self._runs = _By(runs, connection, fixed)
        run_s = histogram("run_seconds", "Time from a run's first slice to its end.", _SLICE_S, "state")
        self._run_s = _By(run_s, fixed)
        slices = counter(
            "slices",
            "Turns at a shard, by how they ended: done, paused, resting, failed, fenced.",
            "connection",
            "outcome",
        )
        self._slices = _By(slices, connection, fixed)
        slice_s = histogram("slice_seconds", "Time of one turn at a shard.", _SLICE_S, "outcome")
        self._slice_s = _By(slice_s, fixed)
        handed = counter(
            "shards_handed_over", "Shards cut off others because a worker had nothing to do.", "connection"
        )
        self._handed = _By(handed, connection)
        objects = counter(
            "objects",
            "Objects committed, by outcome: filtered, unchanged, vanished, archived, failed, changed, added.",
            "connection",
            "outcome",
        )
        self._objects = _By(objects, connection, fixed)
        self._rows = _By(counter("rows_written", "Asset rows written to the catalog.", "connection"), connection)
        self._commit_s = histogram("commit_seconds", "Time of the transaction that commits one span.", _COMMIT_S)
        requests = counter(
            "requests",
            "Attempts of requests to the storage, by class (list, head, get, tags, copy) and outcome: ok, or the error's code.",
            "bucket",
            "class",
            "outcome",
        )
        self._requests = _By(requests, bucket, fixed, code)
        request_s = histogram(
            "request_seconds", "Time of one attempt, to the end of its body.", _REQUEST_S, "class", "outcome"
        )
        self._request_s = _By(request_s, fixed, code)
        self._bytes = _By(
            counter("read_bytes", "Bytes of answers read from the storage.", "bucket", "class"), bucket, fixed
        )

    def _gates(self, bucket: _Few, fixed: _Few) -> None:
        rate = self._gauge(
            "gate_rate",
            "Requests per second that a bucket is sent at most, by class (list, read, write); 0 while it refuses none.",
            "bucket",
            "class",
        )
        self._gate_rate = _By(rate, bucket, fixed)
        places = self._gauge(
            "gate_in_flight_limit",
            "Requests that may be in flight to a bucket at once, by class (list, read, write); moves when it is reached.",
            "bucket",
            "class",
        )
        self._gate_places = _By(places, bucket, fixed)

    def _sessions(self, connection: _Few, code: _Few, fixed: _Few) -> None:
        served = self._counter(
            "sessions_served",
            "Sessions asked for, by how: hit (from the cache), miss (waited for STS), stale (STS is down), refused.",
            "connection",
            "how",
        )
        self._served = _By(served, connection, fixed)
        refreshes = self._counter(
            "session_refreshes", "Calls to STS, by outcome: ok, or the error's code.", "connection", "outcome"
        )
        self._refreshes = _By(refreshes, connection, code)
        self._refresh_s = self._histogram("session_refresh_seconds", "Time of one call to STS.", _REQUEST_S)
        usable = self._gauge(
            "session_usable_seconds", "How long the session that was served last stays usable.", "connection"
        )
        self._usable = _By(usable, connection)
        self._usable_until: dict[Gauge, float] = {}

    def _process(self) -> None:
        self._depth = self._gauge("queue_depth", "Shards that wait in the catalog to be worked on.")
        self._age = self._gauge("queue_age_seconds", "How long the oldest of them has waited.")
        self._busy = self._gauge("slots_busy", "Shards that this process works on now.")
        self._redis_up = self._gauge("redis_up", "Whether this process reaches Redis. Work goes on without.")
        sweeps = self._counter(
            "sweeps", "Looks at the catalog for work that was lost, by outcome: ok, failed.", "outcome"
        )
        self._sweeps = _By(sweeps, _Few(2))
        self._catalog_waiting = self._gauge(
            "catalog_waiting",
            "Pieces of work that wait for a catalog which is full, busy or down; 0 while it is there.",
        )
        self._pauses = self._counter("catalog_pauses", "Times that work began to wait for the catalog.")
        self._paused_s = self._counter("catalog_paused_seconds", "Time that the catalog was away, once it is back.")
        purged = self._counter("purged_rows", "Rows deleted since they were kept for long enough, by table.", "table")
        self._purged = _By(purged, _Few(3))

    def _request_made(self, event: RequestMade) -> None:
        self._requests(event.bucket, event.request, event.outcome).inc()
        self._request_s(event.request, event.outcome).observe(event.seconds)
        self._bytes(event.bucket, event.request).inc(event.bytes_read)

    def _gate_changed(self, event: GateChanged) -> None:
        self._gate_rate(event.bucket, event.request).set(event.rate or 0.0)
        self._gate_places(event.bucket, event.request).set(event.places)

    def _span_committed(self, event: SpanCommitted) -> None:
        for outcome, count in event.outcomes.items():
            if count:
                self._objects(event.connection, outcome).inc(count)
        self._rows(event.connection).inc(event.rows)
        self._commit_s.observe(event.seconds)

    def _shards_handed_over(self, event: ShardsHandedOver) -> None:
        self._handed(event.connection).inc(event.shards)

    def _slice_ended(self, event: SliceEnded) -> None:
        self._slices(event.connection, event.outcome).inc()
        self._slice_s(event.outcome).observe(event.seconds)

    def _run_ended(self, event: RunEnded) -> None:
        self._runs(event.connection, event.state).inc()
        self._run_s(event.state).observe(event.seconds)

    def _session_served(self, event: SessionServed) -> None:
        self._served(event.connection, event.how).inc()
        if event.usable_s is None:
            return
        gauge = self._usable(event.connection)
        if gauge not in self._usable_until:
            gauge.set_function(lambda: max(0.0, self._usable_until[gauge] - time.monotonic()))
        self._usable_until[gauge] = time.monotonic() + event.usable_s

    def _session_refreshed(self, event: SessionRefreshed) -> None:
        self._refreshes(event.connection, event.outcome).inc()
        self._refresh_s.observe(event.seconds)

    def _catalog_away(self, event: CatalogAway) -> None:
        if not event.again:
            self._pauses.inc()

    def _catalog_back(self, event: CatalogBack) -> None:
        self._paused_s.inc(event.seconds)

    def _purged_rows(self, event: Purged) -> None:
        self._purged(event.table).inc(event.rows)
