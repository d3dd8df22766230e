"""The external IDs that we issue: one for each workspace and connection or role, before that exists, and never another's."""

from __future__ import annotations

import secrets
import string
from collections.abc import Awaitable, Callable
from typing import Final

import sqlalchemy as sa

from config.database import Database, alone, db_now
from config.errors import ConnectionRuleError
from config.settings import Settings
from credentials import audit
from credentials.ownership import open_roles_in
from credentials.tables import external_ids as table

_ALPHABET: Final = string.ascii_letters + string.digits
_LENGTH: Final = 32
"""About 190 bits: nobody guesses another's, and every tool takes these characters."""


def owner_of(what: str, name: str) -> str:
    """`connection:NAME` or `role:NAME`."""
    return f"{what}:{name}"


def issued(tx: sa.Connection, workspace: str, owner: str) -> str | None:
    """What was issued to it, if anything was."""
    found = tx.execute(sa.select(table.c.value).where(table.c.workspace == workspace, table.c.owner == owner))
    return found.scalar_one_or_none()


def issue(tx: sa.Connection, workspace: str, owner: str, *, actor: str) -> str:
    """The external ID of this owner, made now if it has none."""
    alone(tx)
    known = issued(tx, workspace, owner)
    if known is not None:
        return known
    value = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    tx.execute(sa.insert(table).values(workspace=workspace, owner=owner, value=value, issued_at=db_now()))
    audit.note(tx, workspace=workspace, actor=actor, action="external ID issued", on=owner)
    return value


def chosen(
    tx: sa.Connection, workspace: str, owner: str, asked: str | None, *, given: bool, settings: Settings, actor: str
) -> str | None:
    """The external ID that a new connection or role shall have: the issued one unless somebody asked for another, or for none.

    `given`: whether something was asked; None then means none at all. Raises ConnectionRuleError for what the operator forbids.
    """
    if not given:
        return issue(tx, workspace, owner, actor=actor)
    if asked is None:
        if open_roles_in(workspace, settings) == "refuse":
            raise ConnectionRuleError(
                "a role without an external ID can be used through us by whoever knows its ARN, and "
                f"LONGSHORE_OPEN_ROLES={settings.open_roles} forbids that in workspace {workspace!r}; {_how_to_see(owner)} issues one"
            )
        return None
    if asked == issued(tx, workspace, owner) or (settings.external_ids == "any" and not _anothers(tx, asked)):
        return asked
    raise ConnectionRuleError(
        f"external IDs are issued here, so that no two customers have the same: leave it out, and {_how_to_see(owner)} shows the one "
        f"of this {owner.partition(':')[0]}; a customer's own is possible where the operator sets LONGSHORE_EXTERNAL_IDS=any"
    )


def _how_to_see(owner: str) -> str:
    what, _, name = owner.partition(":")
    return f"`longshore policy trust {name}{' --kept-role' if what == 'role' else ''}`"


ReadIds = Callable[[str], Awaitable[str]]
"""The external ID of a connection by its name, in the workspace at hand."""


def _anothers(tx: sa.Connection, value: str) -> bool:
    """Whether it was issued to anybody: then it is nobody else's own."""
    return tx.execute(sa.select(table.c.owner).where(table.c.value == value)).first() is not None


class ExternalIds:
    """Of one workspace."""

    def __init__(self, *, database: Database, workspace: str) -> None:
        self._database, self._workspace = database, workspace

    async def issue(self, name: str, *, actor: str, what: str = "connection") -> str:
        """The external ID of a connection (or a role: `what`) that may not exist yet: always the same for the same name."""
        owner = owner_of(what, name)
        known = await self._database.read(lambda tx: issued(tx, self._workspace, owner))
        if known is not None:
            return known
        return await self._database.transaction(lambda tx: issue(tx, self._workspace, owner, actor=actor))
