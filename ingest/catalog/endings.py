"""How runs end: completed, failed, cancelled, or waiting for a person. Every function is one piece of a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import sqlalchemy as sa

from config.database import alone, db_now
from config.errors import LongshoreError
from config.limits import Limits
from ingest.catalog import shards
from ingest.catalog.runs import GOING, REFUTED, Run, get, keep_totals, totals
from ingest.catalog.tables import runs as table
from ingest.certificate import Certificate, SourceSums

Decision = Literal["confirmed", "rejected"]


def brake(run_id: str, sources: Iterable[SourceSums], limits: Limits) -> str | None:
    """Why the removals must wait for a person; None if they need not. Each source is looked at by itself, so that one that is emptied
    does not hide behind another that is whole; and all together, so that a mass is one however many prefixes it is spread over.
    """
    every = list(sources)
    found = [source for source in every if source.missing]
    ask = (
        f"nothing was removed; `longshore runs confirm {run_id}` removes them, `longshore runs reject {run_id}` keeps them, "
        "or mend the bucket and run again"
    )
    for source in found:
        if not source.listed:
            known_ones = "1 asset is" if source.missing == 1 else f"{source.missing} assets are"
            return f"the listing is empty but {known_ones} known; {ask}"
    missing, known = sum(source.missing for source in found), sum(source.known for source in every)
    for gone, of in [*((source.missing, source.known) for source in found), (missing, known)]:
        if gone > limits.removals_min and gone > limits.removals_share * of:
            return f"{gone} of {of} known assets are gone, more than {limits.removals_share:.0%}; {ask}"
    if missing > limits.removals_most:
        return f"{missing} known assets are gone, more than {limits.removals_most}; {ask}"
    return None


def ask(tx: sa.Connection, run_id: str, reason: str) -> None:
    """The run ends here, unless a person decides on its removals."""
    _end(tx, run_id, state="needs_confirmation", code="MassRemoval", message=reason)


def complete(tx: sa.Connection, run: Run) -> None:
    """End a run of which nothing is left to do."""
    failed = totals(tx, run.id).outcomes["failed"]
    state = "partial" if failed else "complete"
    what, them = ("1 object", "it") if failed == 1 else (f"{failed} objects", "them")
    unread = (
        f"{what} could not be read; `longshore assets --state failed` lists {them}, "
        f"`longshore runs retry {run.id}` tries {them} again"
    )
    if run.decision == "rejected":
        kept = "the removals were rejected: what this run found missing is as it was before, and the next run looks for it again"
        _end(tx, run.id, state=state, code="RemovalsRejected", message=f"{kept}; {unread}" if failed else kept)
    elif failed:
        _end(tx, run.id, state=state, code="FailedObjects", message=unread)
    else:
        _end(tx, run.id, state=state, code=None, message=None)


def refute(tx: sa.Connection, run_id: str, certificate: Certificate) -> None:
    """End a run whose proof fails. What it saw is not remembered (see `remembering.last_seen`): the next run compares with every row."""
    first, more = certificate.problems[0], certificate.wrong - 1
    removed = f"{certificate.removed} were removed" if certificate.removed else "nothing was removed"
    message = (
        f"the catalog does not agree with what run {run_id} committed: {first}{f', and {more} more' if more else ''}; {removed}. "
        "Something else wrote to the catalog, or this is a bug: run again, which compares with every row and mends it, "
        f"and see `longshore runs verify {run_id}` for what is still wrong"
    )
    _end(tx, run_id, state="failed", code=REFUTED, message=message)


def fail(tx: sa.Connection, run_id: str, error: LongshoreError) -> None:
    """End the run with a named error; its shards are taken from whoever works on them. A run that has ended stays as it is."""
    _end(tx, run_id, state="failed", code=error.code, message=error.message)


def cancel(tx: sa.Connection, workspace: str, run_id: str) -> Run:
    """End the run because someone asks. Raises UnknownRunError; a run that has ended stays as it is."""
    alone(tx)
    get(tx, workspace, run_id)
    message = "the run was cancelled; what it committed stays"
    _end(tx, run_id, state="cancelled", code="Cancelled", message=message, of=(*GOING, "needs_confirmation"))
    return get(tx, workspace, run_id)


def decide(tx: sa.Connection, workspace: str, run_id: str, decision: Decision) -> Run:
    """Let a run that needs confirmation go on as decided: it waits for its turn as any other. Raises UnknownRunError.

    Does nothing to a run in any other state.
    """
    alone(tx)
    run = get(tx, workspace, run_id)
    if run.state == "needs_confirmation":
        goes_on = {"state": "queued", "decision": decision, "error_code": None, "error": None, "finished_at": None}
        shards.reopen(tx, run_id)
        tx.execute(sa.update(table).where(table.c.id == run_id).values(goes_on))
    return get(tx, workspace, run_id)


def _end(
    tx: sa.Connection, run_id: str, *, state: str, code: str | None, message: str | None, of: Sequence[str] = GOING
) -> None:
    """End a run that is in one of these states, with its counters. Whoever decides on runs is alone, so the state can't change
    meanwhile; the shards come first, since what they wait for is counted, too.
    """
    if tx.execute(sa.select(table.c.id).where(table.c.id == run_id, table.c.state.in_(of))).one_or_none() is None:
        return
    shards.close(tx, run_id, state="failed")
    ended = {"state": state, "error_code": code, "error": message, "finished_at": db_now()}
    tx.execute(sa.update(table).where(table.c.id == run_id).values(ended))
    keep_totals(tx, run_id)
