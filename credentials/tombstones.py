"""What a removed connection leaves: finds it by its name, and notes in the audit when its records are deleted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from config.database import Database, db_now
from config.errors import ConnectionRuleError, UnknownConnectionError
from credentials.tables import audit
from credentials.tables import connections as table


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """A removed connection."""

    id: str
    name: str
    kind: str
    removed_at: int


class Tombstones:
    """Of one workspace."""

    def __init__(self, *, database: Database, workspace: str) -> None:
        self._database, self._workspace = database, workspace

    async def find(self, name: str) -> list[Tombstone]:
        """The removed connections of this name, one for each kind at most.

        Raises ConnectionRuleError if there is one and it is not removed, UnknownConnectionError if there never was one.
        """
        query = sa.select(table.c.id, table.c.name, table.c.kind, table.c.removed_at).where(
            table.c.workspace == self._workspace, table.c.name == name
        )
        rows = await self._database.read(lambda tx: tx.execute(query.order_by(table.c.kind)).all())
        found = [Tombstone(**row._asdict()) for row in rows if row.removed_at is not None]
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

    async def note(self, tombstone: Tombstone, action: str, *, actor: str, **detail: Any) -> None:
        """Write into the audit what is done with what it left."""
        row = {
            "at": db_now(),
            "workspace": self._workspace,
            "actor": actor,
            "action": action,
            "object": f"connection:{tombstone.name}",
            "detail": json.dumps({"kind": tombstone.kind, **detail}, sort_keys=True),
        }
        await self._database.transaction(lambda tx: tx.execute(sa.insert(audit).values(**row)))
