"""Finds runs by what people know of them: a run's ID, its producer's job ID, or that it came later to the same place."""

from __future__ import annotations

import sqlalchemy as sa

from config.errors import LongshoreError, UnknownRunError
from ingest.catalog import runs
from ingest.catalog.runs import Run
from ingest.catalog.tables import assets
from ingest.catalog.tables import runs as table
from ingest.job import of_other_kind


def find(tx: sa.Connection, workspace: str, name: str) -> Run:
    """The run of this ID, or else the one of this job ID. Raises UnknownRunError."""
    query = sa.select(table.c.id).where(
        table.c.workspace == workspace, sa.or_(table.c.id == name, table.c.job_id == name)
    )
    found = list(tx.execute(query).scalars())
    if not found:
        raise UnknownRunError(
            f"there is no run and no job {name!r} in workspace {workspace!r}; `longshore runs` lists them", run=name
        )
    return runs.get(tx, workspace, name if name in found else found[0])


def check_confirmable(tx: sa.Connection, workspace: str, run_id: str) -> None:
    """Raises LongshoreError if a run that asks for confirmation has nothing left to remove: a later one judged its keys anew."""
    run = runs.get(tx, workspace, run_id)
    marked = sa.select(sa.exists().where(assets.c.run_id == run_id, assets.c.state == "missing"))
    if run.state != "needs_confirmation" or not runs.totals(tx, run_id).missing or tx.execute(marked).scalar_one():
        return
    later = _later(tx, run)
    ask = ""
    if later is not None and later.state == "needs_confirmation":
        ask = f"; `longshore runs confirm {later.id}` removes what that one found missing"
    who = "a later run" if later is None else f"run {later.id}, which is newer and listed the same place,"
    raise LongshoreError(
        f"nothing is left for run {run_id} to remove: {who} has looked at those keys since{ask}; "
        f"`longshore runs cancel {run_id}` closes this one",
        code="Superseded",
    )


def _later(tx: sa.Connection, run: Run) -> Run | None:
    """The newest run of the same connection that has a key of this one's sources among its own."""
    query = sa.select(table.c.id).where(
        table.c.workspace == run.workspace,
        table.c.connection_id == run.connection_id,
        table.c.number > run.number,
        table.c.started_at.is_not(None),
    )
    for run_id in tx.execute(query.order_by(table.c.number.desc())).scalars():
        other = runs.get(tx, run.workspace, run_id)
        if of_other_kind(run.job, other.job) or (other.job is not None and other.job.names_objects):
            continue  # what names its objects judges no others
        if any(one.meets(two) for one in run.sources for two in other.sources):
            return other
    return None
