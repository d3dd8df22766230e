"""Whose a role is, as far as we can tell, and who may give to the organisation. Every function is one piece of a transaction."""

from __future__ import annotations

import json
from typing import Final, Literal

import sqlalchemy as sa

from config.errors import ConnectionRuleError
from config.settings import Settings
from credentials.tables import connections, roles

HOME: Final = "main"
"""The operator's own workspace: the built-in connection serves it without further ado, and what it declares is believed."""


def check_audience(audience: str, *, workspace: str, settings: Settings) -> None:
    """Only workspaces that the operator trusts to serve all others give to the organisation. Raises ConnectionRuleError."""
    if audience == "organisation" and workspace not in settings.organisation_workspaces:
        raise ConnectionRuleError(
            f"workspace {workspace!r} may not serve the organisation: other workspaces would read through what it says; "
            "LONGSHORE_ORGANISATION_WORKSPACES lists those that may"
        )


def open_roles_in(workspace: str, settings: Settings) -> Literal["refuse", "declared", "allow"]:
    """What the operator says of roles without external IDs in this workspace: declarations are believed at home only."""
    if settings.open_roles == "declared" and workspace != HOME:
        return "refuse"
    return settings.open_roles


def check_role(role_arn: str, *, settings: Settings) -> None:
    """A role of ours is no customer's. Raises ConnectionRuleError."""
    if role_arn in (settings.reader_role, settings.principal_arn):
        raise ConnectionRuleError(
            f"{role_arn} is our own role, and no customer's; the built-in connection reads as ourselves"
        )


def check_shared(audience: str, external_id: str | None, *, settings: Settings) -> None:
    """Declarations are believed at home only, and others would use what is declared there. Raises ConnectionRuleError."""
    if audience == "organisation" and external_id is None and settings.open_roles != "allow":
        raise ConnectionRuleError(
            "what serves the organisation needs an external ID: other workspaces use the role, too; `longshore policy trust` issues one"
        )


def check_first(tx: sa.Connection, role_arn: str, external_id: str | None, *, workspace: str) -> None:
    """A role without an external ID belongs to the workspace that came first with it. Raises ConnectionRuleError.

    For what begins to have none: whoever names the role later, with an ID, does not stop changes of the first one.
    """
    if external_id is None and _is_anothers(tx, role_arn, workspace):
        raise ConnectionRuleError(
            f"the role {role_arn} is another workspace's already, and without an external ID nothing tells who may use it; "
            "leave --no-external-id out, and let its owner ask for the ID that `longshore policy trust` issues"
        )


def _is_anothers(tx: sa.Connection, role_arn: str, workspace: str) -> bool:
    column = connections.c
    named = sa.select(column.id).where(
        column.workspace != workspace,
        column.removed_at.is_(None),
        column.spec.contains(json.dumps({"role_arn": role_arn})[1:-1], autoescape=True),
    )
    kept = sa.select(roles.c.id).where(roles.c.workspace != workspace, roles.c.role_arn == role_arn)
    return tx.execute(sa.union_all(named, kept).limit(1)).first() is not None
