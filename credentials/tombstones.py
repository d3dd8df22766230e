"""What a removed connection leaves: finds it by its name, and notes in the audit when its records are deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from config.database import Database
from config.errors import ConnectionRuleError, UnknownConnectionError
from credentials import audit
from credentials.connection import shared_id
from credentials.tables import connections as table


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """A removed connection."""

    id: str
    """By which this workspace's records know it."""
    kept_id: str
    """Its row; another one than `id` where another workspace gave it to the organisation."""
    name: str
    kind: str
    removed_at: int


class Tombstones:
    """Of one workspace."""

    def __init__(self, *, database: Database, workspace: str) -> None:
        self._database, self._workspace = database, workspace

    async def find(self, name: str) -> list[Tombstone]:
        """The removed connections of this name, one for each kind at most; of the organisation's, as many.

        Raises ConnectionRuleError if there is one and it is not removed, UnknownConnectionError if there never was one.
        """
        seen = sa.or_(table.c.workspace == self._workspace, table.c.audience == "organisation")
        query = sa.select(table).where(seen, table.c.name == name)
        rows = await self._database.read(lambda tx: tx.execute(query.order_by(table.c.kind)).all())
        found = [
            Tombstone(id=self._id(row), kept_id=row.id, name=row.name, kind=row.kind, removed_at=row.removed_at)
            for row in rows
            if row.removed_at is not None
        ]
        if not rows:
            raise UnknownConnectionError(
                f"there is no connection {name!r} in workspace {self._workspace!r}, and none was removed; "
                "`longshore assets` shows by its last columns which connections have records"
            )
        if not found:
            raise ConnectionRuleError(
                f"connection {name!r} is there, and so its records are in use; `longshore connections remove {name}` comes first"
            )
        return found

    def _id(self, row: sa.Row[Any]) -> str:
        return row.id if row.workspace == self._workspace else shared_id(workspace=self._workspace, kept_id=row.id)

    async def note(self, tombstone: Tombstone, action: str, *, actor: str, **detail: Any) -> None:
        """Write into the audit what is done with what it left."""
        await self._database.transaction(
            lambda tx: audit.note(
                tx,
                workspace=self._workspace,
                actor=actor,
                action=action,
                on=f"connection:{tombstone.name}",
                detail={"kind": tombstone.kind, **detail},
            )
        )
