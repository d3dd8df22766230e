"""How runs end: completed, failed, cancelled, or waiting for a person. Every function is one piece of a transaction."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from config.database import alone, db_now, summed
from config.errors import LongshoreError
from config.settings import Limits
from ingest.catalog import shards
from ingest.catalog.runs import GOING, Run, get, totals
from ingest.catalog.tables import assets
from ingest.catalog.tables import runs as table
from ingest.catalog.tables import shards as shard_table
from ingest.catalog.tables import spans as span_table


def finish(tx: sa.Connection, run_id: str, limits: Limits) -> Run | None:
    """End the run if all of its shards are done: remove what went missing, or ask first. Returns it if this call ended it."""
    alone(tx)
    running = tx.execute(sa.select(table).where(table.c.id == run_id, table.c.state == "running")).one_or_none()
    if running is None or shards.open_ones(tx, run_id):
        return None
    total = totals(tx, run_id)
    reason = _brake(tx, run_id, limits)
    if reason is not None:
        _end(tx, run_id, state="needs_confirmation", code="MassRemoval", message=reason)
    else:
        if total.missing:
            _remove_missing(tx, run_id)
        _complete(tx, run_id, failed=total.outcomes["failed"])
    return get(tx, running.workspace, run_id)


def _brake(tx: sa.Connection, run_id: str, limits: Limits) -> str | None:
    """Why the removals must wait for a person; None if they need not. Each source is looked at by itself: one that is emptied
    does not hide behind another that is whole.
    """
    names = ("listed", "known", "missing")
    sums = (summed(span_table.c[name]).label(name) for name in names)
    query = sa.select(span_table.c.source, *sums).where(span_table.c.run_id == run_id).group_by(span_table.c.source)
    found = [source for source in tx.execute(query) if source.missing]
    ask = f"nothing was removed; `longshore runs confirm {run_id}` removes them, or mend the bucket and run again"
    for source in found:
        if not source.listed:
            return f"the listing is empty but {source.missing} assets are known; {ask}"
        if source.missing > limits.removals_min and source.missing > limits.removals_share * source.known:
            return f"{source.missing} of {source.known} known assets are gone, more than {limits.removals_share:.0%}; {ask}"
    missing = sum(source.missing for source in found)
    if missing > limits.removals_most:
        return f"{missing} known assets are gone, more than {limits.removals_most}; {ask}"
    return None


def confirm(tx: sa.Connection, workspace: str, run_id: str) -> Run:
    """Remove what a run that needs confirmation found missing. Raises UnknownRunError; does nothing to a run in any other state."""
    alone(tx)
    run = get(tx, workspace, run_id)
    if run.state == "needs_confirmation":
        _remove_missing(tx, run_id)
        _complete(tx, run_id, failed=totals(tx, run_id).outcomes["failed"], of=("needs_confirmation",))
    return get(tx, workspace, run_id)


def _complete(tx: sa.Connection, run_id: str, *, failed: int, of: Sequence[str] = GOING) -> None:
    if failed:
        message = f"{failed} objects could not be read; `longshore assets --state failed` lists them"
        _end(tx, run_id, state="partial", code="FailedObjects", message=message, of=of)
    else:
        _end(tx, run_id, state="complete", code=None, message=None, of=of)


def _remove_missing(tx: sa.Connection, run_id: str) -> None:
    gone = sa.update(assets).where(assets.c.run_id == run_id, assets.c.state == "missing")
    removed = tx.execute(gone.values(state="removed", changed_at=db_now())).rowcount
    tx.execute(sa.update(table).where(table.c.id == run_id).values(removed=removed))


def fail(tx: sa.Connection, run_id: str, error: LongshoreError) -> None:
    """End the run with a named error; its shards are taken from whoever works on them. A run that has ended stays as it is."""
    if _end(tx, run_id, state="failed", code=error.code, message=error.message):
        shards.close(tx, run_id, state="failed")


def cancel(tx: sa.Connection, workspace: str, run_id: str) -> Run:
    """End the run because someone asks. Raises UnknownRunError; a run that has ended stays as it is."""
    alone(tx)
    get(tx, workspace, run_id)
    message = "the run was cancelled; what it committed stays"
    if _end(tx, run_id, state="cancelled", code="Cancelled", message=message, of=(*GOING, "needs_confirmation")):
        shards.close(tx, run_id, state="failed")
    return get(tx, workspace, run_id)


def _end(
    tx: sa.Connection, run_id: str, *, state: str, code: str | None, message: str | None, of: Sequence[str] = GOING
) -> bool:
    """End a run that is in one of these states. Returns whether it was."""
    ended = sa.update(table).where(table.c.id == run_id, table.c.state.in_(of))
    return bool(tx.execute(ended.values(state=state, error_code=code, error=message, finished_at=db_now())).rowcount)


def unfinished(tx: sa.Connection, workspace: str) -> list[str]:
    """Runs that are running although none of their shards is open: their last worker died between its commit and their end."""
    still = sa.exists().where(shard_table.c.run_id == table.c.id, shard_table.c.state.in_(("ready", "leased")))
    query = sa.select(table.c.id).where(table.c.workspace == workspace, table.c.state == "running", ~still)
    return list(tx.execute(query).scalars())
