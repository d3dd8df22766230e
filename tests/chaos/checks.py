"""What must be true after a schedule: the catalog against the bucket, each run against its spans, the workers against their logs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from ingest.filters import key_filter
from ingest.verifying import verified
from tests.chaos.scene import KEY_SECRET, Scene
from tests.chaos.stand import CANARIES
from tests.fakes.s3_store import ARCHIVED, Stored
from tests.fakes.sts import OPERATOR_SECRET

OUTCOMES = ("filtered", "unchanged", "vanished", "archived", "failed", "changed", "added")
_MOST_SAID = 5


async def exact(scene: Scene) -> None:
    """The catalog equals the bucket, row by row."""
    rows = await _assets(scene)
    wrong = [
        (key, kind, text)
        for key in scene.ledger.known
        if (said := _wrong(scene, key, rows.get(key)))
        for kind, text in (said,)
    ]
    _say(scene, "after the quiet run", wrong)
    for key in rows.keys() - set(scene.ledger.known):
        scene.problem("doubled", f"row {key!r} was never in the bucket")


async def settled(scene: Scene) -> None:
    """After all that went wrong: of each run that is complete, rows of keys that nobody touched since before it began.

    What is gone stays as it was where somebody rejected its removal, in whichever run.
    """
    rows = await _assets(scene)
    complete = await scene.rows(
        "SELECT id, state, sources, job, started_at, decision FROM runs WHERE state IN ('complete', 'partial')"
    )
    kept = [prefix for run in complete if run.decision == "rejected" for prefix in _prefixes(run.sources)]
    for run in complete:
        job, prefixes = json.loads(run.job), _prefixes(run.sources)
        keep = key_filter(job["include"], job["exclude"])
        wrong = []
        for key in scene.ledger.known:
            mine = any(key.startswith(prefix) for prefix in prefixes)
            filtered = keep is not None and not keep(key)
            if not mine or filtered or not scene.ledger.settled_since(key, run.started_at / 1000):
                continue
            if key not in scene.ledger.objects and any(key.startswith(prefix) for prefix in kept):
                continue
            if (said := _wrong(scene, key, rows.get(key))) and (run.state == "complete" or rows[key].state != "failed"):
                wrong.append((key, *said))
        _say(scene, f"after run {run.id}", wrong)


def _wrong(scene: Scene, key: bytes, row: Any) -> tuple[str, str] | None:
    """What is not as it should be with a key's row."""
    there = scene.ledger.objects.get(key)
    if there is None:
        return (
            None if row is None or row.state == "removed" else ("doubled", f"is {row.state} and gone from the bucket")
        )
    if row is None:
        return "lost", "has no row"
    want = _expected(there)
    have = (row.state, row.size, row.etag, row.last_modified, row.storage_class)
    return None if have == want else ("lost", f"is {have} instead of {want}")


def _expected(there: Stored) -> tuple[Any, ...]:
    state = "archived" if there.storage_class in ARCHIVED else "present"
    return state, there.size, there.etag, there.listed_modified, there.storage_class


def _say(scene: Scene, when: str, wrong: Sequence[tuple[bytes, str, str]]) -> None:
    by_kind = defaultdict(list)
    for key, kind, text in wrong:
        by_kind[kind].append(f"{key!r} {text}")
    for kind, texts in by_kind.items():
        scene.problem(kind, f"{when}, {len(texts)} keys: {'; '.join(texts[:_MOST_SAID])}")


async def _assets(scene: Scene) -> dict[bytes, Any]:
    rows = await scene.rows("SELECT key, state, size, etag, last_modified, storage_class FROM assets")
    return {bytes(row.key): row for row in rows}


async def always(scene: Scene, *, ended: bool) -> None:
    """What holds however it went."""
    runs = await scene.rows("SELECT * FROM runs")
    spans: dict[str, list[Any]] = defaultdict(list)
    for span in await scene.rows("SELECT * FROM spans"):
        spans[span.run_id].append(span)
    for run in runs:
        _counted(scene, run, spans[run.id])
        _tiled(scene, run, spans[run.id])
        if run.state == "failed":
            scene.problem("failed", f"run {run.id} is {run.state}: {run.error_code} {run.error}")
    if ended:
        left = await scene.rows("SELECT id, state FROM shards WHERE state IN ('ready', 'leased') OR owner IS NOT NULL")
        if left:
            scene.problem("stuck", f"shards are still open: {left}")
    added = sum(span.added for of in spans.values() for span in of)
    if added > scene.ledger.births:
        scene.problem("doubled", f"{added} were counted as added, and {scene.ledger.births} came to the bucket")
    every = [span.new for of in spans.values() for span in of]
    if every and None not in every:
        rows = (await scene.rows("SELECT count(*) FROM assets"))[0][0]
        if sum(every) != rows:
            scene.problem("doubled", f"{sum(every)} rows were counted as new, and there are {rows}")
    _asked(scene, runs, spans)


async def certified(scene: Scene) -> None:
    """Certificates hold, as they were written and when a run is recounted now; a run that is complete has one."""
    for row in await scene.rows("SELECT id, state, certificate FROM runs WHERE finished_at IS NOT NULL"):
        if row.state == "complete" and row.certificate is None:
            scene.problem("certificate", f"run {row.id} is complete and has none")
        if row.certificate is not None and not json.loads(row.certificate)["holds"]:
            scene.problem("certificate", f"run {row.id}: {row.certificate}")
        run, totals = await scene.patiently(partial(scene.service.catalog.run, row.id))
        found = await scene.patiently(partial(verified, scene.service.catalog.closings, run, totals))
        if not (found.holds or found.superseded):
            scene.problem("certificate", f"run {row.id} recounted: {found}")


def _prefixes(sources: str) -> list[bytes]:
    return [bytes.fromhex(prefix) for _, prefix in json.loads(sources)]


def _counted(scene: Scene, run: Any, spans: Sequence[Any]) -> None:
    listed = sum(span.listed for span in spans)
    if listed != sum(getattr(span, outcome) for span in spans for outcome in OUTCOMES):
        scene.problem("doubled", f"run {run.id}: its outcomes do not add up to what was listed, {listed}")
    if run.finished_at is None or run.started_at is None:
        return
    least, most = scene.ledger.there(_prefixes(run.sources), run.started_at / 1000, run.finished_at / 1000)
    if listed > most:
        scene.problem("doubled", f"run {run.id} listed {listed} of at most {most} keys")
    if listed < least and run.state in {"complete", "needs_confirmation"}:
        scene.problem("lost", f"run {run.id} listed {listed} of at least {least} keys")
    if run.totals is not None and json.loads(run.totals)["listed"] != listed:
        scene.problem("doubled", f"run {run.id}: its totals say {run.totals}, its spans {listed}")


def _tiled(scene: Scene, run: Any, spans: Sequence[Any]) -> None:
    """Spans never overlap; those of a run that is complete leave no gap."""
    whole = run.state in {"complete", "partial", "needs_confirmation"} and run.asked is None
    for source in range(len(json.loads(run.sources))):
        mine = [(_key(span.lo), _key(span.hi)) for span in spans if span.source == source]
        for kind, what in _flaws(sorted(mine, key=lambda tile: (tile[0] is not None, tile[0] or b"")), whole=whole):
            scene.problem(kind, f"run {run.id}, source {source}: {what}")


def _flaws(tiles: Sequence[tuple[bytes | None, bytes | None]], *, whole: bool) -> Iterator[tuple[str, str]]:
    if not tiles:
        if whole:
            yield "lost", "no span at all"
        return
    if whole and tiles[0][0] is not None:
        yield "lost", f"nothing before {tiles[0][0]!r}"
    for (lo, hi), (next_lo, next_hi) in pairwise(tiles):
        if hi is None or next_lo is None or hi > next_lo:
            yield "doubled", f"({lo!r}, {hi!r}] and ({next_lo!r}, {next_hi!r}] overlap"
        elif whole and hi < next_lo:
            yield "lost", f"a gap between {hi!r} and {next_lo!r}"
    if whole and tiles[-1][1] is not None:
        yield "lost", f"nothing behind {tiles[-1][1]!r}"


def _key(value: Any) -> bytes | None:
    return None if value is None else bytes(value)


def _asked(scene: Scene, runs: Sequence[Any], spans: dict[str, list[Any]]) -> None:
    """HEADs that brought an answer: one for each object that was probed, and again only for what was in flight when something broke."""
    probed = sum(
        span.added + span.changed + span.archived + span.failed
        for run in runs
        if run.job != "{}" and json.loads(run.job)["depth"] == "head"
        for span in spans[run.id]
    )
    answered = sum(one.op == "head" and one.status == 200 and one.fault in ("", "delay") for one in scene.s3.log)
    limits = scene.plan.limits
    in_flight = (2 * limits["spans_per_commit"] + limits["pieces_at_once"]) * limits["span_probes"]
    broken = sum(
        line.get("event") == "slice ended" and line.get("outcome") != "done"
        for hand in scene.hands
        for line in hand.lines()
    )
    most = (
        probed + scene.ledger.writes - scene.plan.keys + in_flight * (broken + len(scene.kills) + scene.interruptions)
    )
    if answered > most:
        scene.problem(
            "repeated", f"{answered} HEADs were answered; {probed} objects were probed, {most} HEADs are explained"
        )


def discreet(scene: Scene) -> None:
    """No secret in a log, nor plainly in the catalog's file. Only once this process has closed that: reading it drops its locks."""
    grants = [grant for grant in scene.s3.sts.grants.values() if grant.token is not None]
    secrets = {
        KEY_SECRET,
        OPERATOR_SECRET,
        *CANARIES,
        *(grant.secret for grant in grants),
        *(str(one.token) for one in grants),
    }
    for path in sorted(scene.folder.iterdir()):
        if path.is_file():
            content = path.read_bytes()
            for secret in secrets:
                if secret.encode() in content:
                    scene.problem("secret", f"{secret[:6]}... stands in {path.name}")


async def recoveries(scene: Scene) -> list[float]:
    """Seconds from each kill of a shard's owner to the shard's next commit."""
    found = []
    for kill in scene.kills:
        query = "SELECT min(committed_at) FROM spans WHERE shard_id = :shard AND committed_at > :at"
        after = (await scene.rows(query, shard=kill.shard, at=round(kill.at * 1000)))[0][0]
        if after is not None:
            found.append(after / 1000 - kill.at)
    return found
