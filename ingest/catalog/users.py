"""What uses a connection: runs that have not ended, and schedules; of other workspaces too, where it serves the organisation."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from credentials.connection import Connection, shared_id
from credentials.tables import connections
from ingest.catalog.runs import GOING
from ingest.catalog.tables import runs, schedules

_SHOWN = 20


def users_in(workspace: str) -> Callable[[sa.Connection, Connection], list[str]]:
    """See `users_of`."""
    return lambda tx, connection: users_of(tx, workspace=workspace, connection=connection)


def users_of(tx: sa.Connection, *, workspace: str, connection: Connection) -> list[str]:
    """A clause for each kind of use, with what to do about it; none if nothing uses it. `workspace`: whose names may be told."""
    going = sa.select(runs.c.id, runs.c.workspace, runs.c.connection_id).where(
        runs.c.connection == connection.name, runs.c.state.in_(GOING)
    )
    live = [
        (row.workspace, row.id)
        for row in tx.execute(going.order_by(runs.c.number))
        if row.connection_id == _id_in(row.workspace, connection)
    ]
    planned = sa.select(schedules.c.name, schedules.c.workspace).where(schedules.c.connection == connection.name)
    if connection.spec.audience == "workspace":
        planned = planned.where(schedules.c.workspace == connection.owner)
    found = tx.execute(planned.order_by(schedules.c.workspace, schedules.c.name)).all()
    others = _with_their_own(tx, connection)
    due = [(row.workspace, row.name) for row in found if row.workspace not in others]
    said = []
    if live:
        said.append(f"runs are under way or wait: {_told(live, workspace)} (`longshore runs cancel` ends one)")
    if due:
        said.append(f"schedules read through it: {_told(due, workspace)} (`longshore schedules remove` takes one away)")
    return said


def _with_their_own(tx: sa.Connection, connection: Connection) -> set[str]:
    """Workspaces in which the name means a connection of their own."""
    mine = sa.select(connections.c.workspace).where(
        connections.c.name == connection.name,
        connections.c.removed_at.is_(None),
        connections.c.workspace != connection.owner,
    )
    return set(tx.execute(mine).scalars())


def _id_in(workspace: str, connection: Connection) -> str:
    if workspace == connection.owner:
        return connection.kept_id
    return shared_id(workspace=workspace, kept_id=connection.kept_id)


def _told(found: list[tuple[str, str]], workspace: str) -> str:
    mine = [name for where, name in found if where == workspace]
    others = dict.fromkeys(where for where, _ in found if where != workspace)
    names = mine[:_SHOWN] + ([f"{len(mine) - _SHOWN} more"] if len(mine) > _SHOWN else [])
    return ", ".join([*names, *(f"some of workspace {where}" for where in others)])
