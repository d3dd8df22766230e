"""Who did what, and when: lines are added and never changed. Hides how they are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from config.database import Database, db_now
from credentials.tables import audit as table


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that was done."""

    number: int
    at: int
    """Unix time in milliseconds, by the database's clock."""
    workspace: str
    actor: str
    action: str
    object: str
    """What it was done to, as `connection:acme`."""
    detail: dict[str, Any]


def note(
    tx: sa.Connection, *, workspace: str, actor: str, action: str, on: str, detail: Mapping[str, Any] | None = None
) -> None:
    """Write a line, in the transaction of what it tells. `detail` is plain data without secrets."""
    text = json.dumps(dict(detail or {}), sort_keys=True)
    row = {"workspace": workspace, "actor": actor, "action": action, "object": on, "detail": text}
    tx.execute(sa.insert(table).values(at=db_now(), **row))


class Audit:
    """The lines of one workspace."""

    def __init__(self, *, database: Database, workspace: str) -> None:
        self._database, self._workspace = database, workspace

    async def note(self, action: str, *, on: str, actor: str, detail: Mapping[str, Any] | None = None) -> None:
        """Write a line about something that changes nothing in the catalog."""
        await self._database.transaction(
            lambda tx: note(tx, workspace=self._workspace, actor=actor, action=action, on=on, detail=detail)
        )

    async def lines(
        self, *, limit: int, since: int | None = None, on: str | None = None, action: str | None = None
    ) -> list[Line]:
        """The newest `limit` lines, oldest first. `since` is Unix time in milliseconds; `on` and `action` must be the same."""
        query = sa.select(table).where(table.c.workspace == self._workspace).order_by(table.c.id.desc()).limit(limit)
        if since is not None:
            query = query.where(table.c.at >= since)
        if on is not None:
            query = query.where(table.c.object == on)
        if action is not None:
            query = query.where(table.c.action == action)
        rows = await self._database.read(lambda tx: tx.execute(query).all())
        return [
            Line(
                number=row.id,
                at=row.at,
                workspace=row.workspace,
                actor=row.actor,
                action=row.action,
                object=row.object,
                detail=json.loads(row.detail),
            )
            for row in reversed(rows)
        ]
