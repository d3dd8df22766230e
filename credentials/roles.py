"""Roles of their own: added once, then shared by many connections within their audience."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, ValidationError

from config.database import Database, alone, db_now
from config.errors import ConnectionRuleError, UnknownConnectionError
from config.settings import Settings
from credentials import audit, external_ids, ownership
from credentials.fields import ExternalId, Name, RoleArn
from credentials.kinds import Audience, problems_of, refusal
from credentials.tables import connections
from credentials.tables import roles as table

_FIXED: Final = ("name", "role_arn")
_SHOWN: Final = 20


class _RoleFields(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Name
    audience: Audience = "workspace"
    role_arn: RoleArn
    external_id: ExternalId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A kept role."""

    id: str
    workspace: str
    name: str
    audience: Audience
    role_arn: str
    external_id: str | None
    created_at: int
    updated_at: int

    def describe(self) -> dict[str, Any]:
        """Plain data for people and programs."""
        return {
            "name": self.name,
            "workspace": self.workspace,
            "audience": self.audience,
            "role_arn": self.role_arn,
            "external_id": self.external_id,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }


def visible(tx: sa.Connection, name: str, workspace: str) -> Role:
    """The role that this name means to a workspace: its own, else the organisation's. Raises UnknownConnectionError."""
    rows = tx.execute(_seen_by(workspace).where(table.c.name == name)).all()
    if not rows:
        there = [row.name for row in tx.execute(_seen_by(workspace).order_by(table.c.name)).all()]
        raise UnknownConnectionError(
            f"there is no role {name!r} in workspace {workspace!r}; there are: {', '.join(there[:_SHOWN]) or 'none'}; "
            "`longshore roles add` makes one"
        )
    return _role(min(rows, key=lambda row: row.workspace != workspace))


def of(tx: sa.Connection, connection: str) -> Role:
    """The role that the connection of this kept ID has, whatever its name means now. Raises UnknownConnectionError."""
    mine = sa.select(table).join(connections, connections.c.role_id == table.c.id).where(connections.c.id == connection)
    row = tx.execute(mine).one_or_none()
    if row is None:
        raise UnknownConnectionError("the connection's role is gone; remove the connection and add it anew")
    return _role(row)


def _seen_by(workspace: str) -> sa.Select[Any]:
    return sa.select(table).where(sa.or_(table.c.workspace == workspace, table.c.audience == "organisation"))


class Roles:
    """The roles of one workspace, and those of the organisation."""

    def __init__(self, *, database: Database, settings: Settings, workspace: str) -> None:
        self._database, self._settings, self._workspace = database, settings, workspace

    async def add(self, fields: Mapping[str, Any], *, actor: str) -> Role:
        """Raises ConnectionSetupError for bad fields, ConnectionRuleError for a name that is taken or an ID that is not allowed."""
        asked = _checked(fields)

        def add(tx: sa.Connection) -> Role:
            alone(tx)
            self._check_free(tx, asked)
            self._check_room(tx)
            ownership.check_audience(asked.audience, workspace=self._workspace, settings=self._settings)
            owner = external_ids.owner_of("role", asked.name)
            external_id = external_ids.chosen(
                tx,
                self._workspace,
                owner,
                asked.external_id,
                given="external_id" in fields,
                settings=self._settings,
                actor=actor,
            )
            self._check_role(asked, external_id)
            ownership.check_first(tx, asked.role_arn, external_id, workspace=self._workspace)
            now = tx.execute(sa.select(db_now())).scalar_one()
            row = {
                "id": _id(self._workspace, asked.name),
                "workspace": self._workspace,
                "name": asked.name,
                "audience": asked.audience,
                "role_arn": asked.role_arn,
                "external_id": external_id,
            }
            tx.execute(sa.insert(table).values(**row, created_at=now, updated_at=now))
            audit.note(tx, workspace=self._workspace, actor=actor, action="created", on=owner, detail=row)
            return visible(tx, asked.name, self._workspace)

        return await self._database.transaction(add)

    async def all(self) -> list[Role]:
        """By name; the workspace's own before the organisation's."""
        rows = await self._database.read(lambda tx: tx.execute(_seen_by(self._workspace)).all())
        return sorted(map(_role, rows), key=lambda role: (role.workspace != self._workspace, role.name))

    async def get(self, name: str) -> tuple[Role, list[str]]:
        """The role, and the connections that use it. Raises UnknownConnectionError."""

        def get(tx: sa.Connection) -> tuple[Role, list[str]]:
            role = visible(tx, name, self._workspace)
            return role, [name for _, name in self._shown_users(tx, role)]

        return await self._database.read(get)

    async def update(self, name: str, changes: Mapping[str, Any], *, actor: str) -> Role:
        """Change the external ID, or open the role to the organisation. Raises ConnectionRuleError for what can't change."""
        for field in _FIXED:
            if field in changes:
                raise ConnectionRuleError(
                    f"a role's {field.replace('_', ' ')} can't be changed, since connections trust it; add another role"
                )

        def update(tx: sa.Connection) -> Role:
            alone(tx)
            before = self._own(tx, name)
            after = _checked({**_fields(before), **changes})
            if before.audience == "organisation" and after.audience != "organisation":
                raise ConnectionRuleError(
                    f"role {name!r} serves the organisation, and connections of other workspaces may use it; add another role"
                )
            if after.audience != before.audience:
                ownership.check_audience(after.audience, workspace=self._workspace, settings=self._settings)
                self._check_free(tx, after, but=before.id)
            external_id = after.external_id
            if "external_id" in changes:
                owner = external_ids.owner_of("role", name)
                external_id = external_ids.chosen(
                    tx, self._workspace, owner, external_id, given=True, settings=self._settings, actor=actor
                )
            self._check_role(after, external_id)
            if before.external_id is not None:
                ownership.check_first(tx, before.role_arn, external_id, workspace=self._workspace)
            values = {"external_id": external_id, "audience": after.audience, "updated_at": db_now()}
            tx.execute(sa.update(table).where(table.c.id == before.id).values(values))
            seen = dict.fromkeys(("trust", "trust_at", "tested", "tested_at"))
            renewed = {"version": connections.c.version + 1, **seen}
            tx.execute(sa.update(connections).where(connections.c.role_id == before.id).values(renewed))
            detail = {"changed": sorted(changes)}
            audit.note(tx, workspace=self._workspace, actor=actor, action="updated", on=f"role:{name}", detail=detail)
            return self._own(tx, name)

        return await self._database.transaction(update)

    async def remove(self, name: str, *, actor: str) -> None:
        """Raises UnknownConnectionError, or ConnectionRuleError that names the connections that use it."""

        def remove(tx: sa.Connection) -> None:
            alone(tx)
            role = self._own(tx, name)
            users = [shown for _, shown in self._shown_users(tx, role)]
            if users:
                more = f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else ""
                raise ConnectionRuleError(
                    f"role {name!r} is in use by {', '.join(users[:_SHOWN])}{more}; remove these connections first"
                )
            tx.execute(sa.update(connections).where(connections.c.role_id == role.id).values(role_id=None))
            tx.execute(sa.delete(table).where(table.c.id == role.id))
            audit.note(tx, workspace=self._workspace, actor=actor, action="removed", on=f"role:{name}")

        await self._database.transaction(remove)

    def _own(self, tx: sa.Connection, name: str) -> Role:
        role = visible(tx, name, self._workspace)
        if role.workspace != self._workspace:
            raise ConnectionRuleError(
                f"role {name!r} belongs to workspace {role.workspace!r}, and only that changes it"
            )
        return role

    def _check_role(self, asked: _RoleFields, external_id: str | None) -> None:
        ownership.check_role(asked.role_arn, settings=self._settings)
        ownership.check_shared(asked.audience, external_id, settings=self._settings)

    def _check_room(self, tx: sa.Connection) -> None:
        mine = sa.select(sa.func.count()).where(table.c.workspace == self._workspace)
        most = self._settings.limits.connections
        if tx.execute(mine).scalar_one() >= most:
            raise ConnectionRuleError(
                f"workspace {self._workspace!r} has {most} roles, and no more are allowed: remove some, or raise "
                "LONGSHORE_LIMITS__CONNECTIONS"
            )

    def _check_free(self, tx: sa.Connection, asked: _RoleFields, *, but: str = "") -> None:
        mine = sa.and_(table.c.workspace == self._workspace, table.c.name == asked.name)
        taken = mine
        if asked.audience == "organisation":
            taken = sa.or_(mine, sa.and_(table.c.name == asked.name, table.c.audience == "organisation"))
        if tx.execute(sa.select(table.c.id).where(taken, table.c.id != but)).first() is not None:
            raise ConnectionRuleError(f"there is a role {asked.name!r} already; choose another name")

    def _shown_users(self, tx: sa.Connection, role: Role) -> list[tuple[str, str]]:
        """Connections that use it; those of other workspaces are counted by their workspace only."""
        columns = connections.c
        living = sa.select(columns.workspace, columns.name).where(
            columns.role_id == role.id, columns.removed_at.is_(None)
        )
        rows = tx.execute(living.order_by(columns.workspace, columns.name)).all()
        mine = [(row.workspace, row.name) for row in rows if row.workspace == self._workspace]
        others = dict.fromkeys(row.workspace for row in rows if row.workspace != self._workspace)
        return mine + [(workspace, f"a connection of workspace {workspace}") for workspace in others]


def _checked(fields: Mapping[str, Any]) -> _RoleFields:
    try:
        return _RoleFields.model_validate(dict(fields))
    except ValidationError as error:
        raise refusal(problems_of(error), what="role") from None


def _fields(role: Role) -> dict[str, Any]:
    return {
        "name": role.name,
        "audience": role.audience,
        "role_arn": role.role_arn,
        "external_id": role.external_id,
    }


def _id(workspace: str, name: str) -> str:
    return hashlib.sha256(json.dumps(["role", workspace, name]).encode()).hexdigest()[:32]


def _role(row: sa.Row[Any]) -> Role:
    return Role(**row._asdict())
