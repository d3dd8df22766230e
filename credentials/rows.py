"""How connections stand in the catalog: reads them as one workspace sees them. Every function is one piece of a transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from config.errors import UnknownConnectionError
from credentials.connection import Connection, shared_id
from credentials.kinds import KeptSpec, RoleSpec, parse_kept
from credentials.tables import connections as table
from credentials.tables import roles

_FROM_THE_ROLE = {"role_arn", "external_id"}


def living(workspace: str) -> sa.Select[Any]:
    """What a workspace sees: its own connections, and those of the organisation; with what their roles bring."""
    seen = sa.or_(table.c.workspace == workspace, table.c.audience == "organisation")
    return _with_roles().where(seen, table.c.removed_at.is_(None))


def ever(workspace: str) -> sa.Select[Any]:
    """The same, removed ones among them."""
    return _with_roles().where(sa.or_(table.c.workspace == workspace, table.c.audience == "organisation"))


def _with_roles() -> sa.Select[Any]:
    joined = table.outerjoin(roles, table.c.role_id == roles.c.id)
    brought = (roles.c.role_arn, roles.c.external_id, roles.c.workspace.label("role_workspace"))
    return sa.select(table, *brought).select_from(joined)


def find(tx: sa.Connection, workspace: str, name: str) -> sa.Row[Any] | None:
    """The row that this name means to a workspace: its own before the organisation's."""
    rows = tx.execute(living(workspace).where(table.c.name == name)).all()
    return min(rows, key=lambda row: row.workspace != workspace, default=None)


def find_own(tx: sa.Connection, workspace: str, name: str) -> sa.Row[Any] | None:
    """The workspace's own."""
    found = tx.execute(living(workspace).where(table.c.name == name, table.c.workspace == workspace))
    return found.one_or_none()


def get(tx: sa.Connection, workspace: str, name: str) -> sa.Row[Any]:
    """Like `find`. Raises UnknownConnectionError."""
    row = find(tx, workspace, name)
    if row is None:
        raise unknown(workspace, name)
    return row


def unknown(workspace: str, name: str) -> UnknownConnectionError:
    """That there is none of this name."""
    return UnknownConnectionError(
        f"there is no connection {name!r} in workspace {workspace!r}; `longshore connections list` shows those there are"
    )


def connection_of(row: sa.Row[Any], *, workspace: str) -> Connection:
    """A row of `living` as `workspace` uses it."""
    kept = json.loads(row.spec)
    if kept.get("role") is not None and row.role_arn is not None:
        kept |= {"role_arn": row.role_arn, "external_id": row.external_id}
    own = row.workspace == workspace
    return Connection(
        id=row.id if own else shared_id(workspace=workspace, kept_id=row.id),
        workspace=workspace,
        owner=row.workspace,
        kept_id=row.id,
        spec=parse_kept(kept),
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        **_seen(row, kept, workspace),
        tested=None if row.tested is None else json.loads(row.tested) | {"at": row.tested_at},
    )


def _seen(row: sa.Row[Any], kept: dict[str, Any], workspace: str) -> dict[str, Any]:
    """What was seen of this role; of another one, which another version of longshore may have put here, it says nothing."""
    verdict, _, of = (row.trust or "").partition(":")
    known = of == role_digest(kept, workspace=workspace)
    return {
        "trust": verdict if known and verdict else None,
        "trust_at": row.trust_at if known else None,
        "role_owner": row.role_workspace,
    }


def role_digest(spec: Mapping[str, Any], *, workspace: str) -> str:
    """Of a role and all that it is asked with; sessions with tags carry the workspace."""
    asked = [spec.get("role_arn"), spec.get("external_id"), workspace if spec.get("session_tags") else None]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


def dump(spec: KeptSpec) -> str:
    """As it is kept."""
    return json.dumps(plain(spec), sort_keys=True)


def plain(spec: KeptSpec) -> dict[str, Any]:
    """Plain data, without what a kept role brings: that is written once, and may be another workspace's."""
    without = _FROM_THE_ROLE if isinstance(spec, RoleSpec) and spec.role is not None else set()
    return spec.model_dump(mode="json", exclude=without)
