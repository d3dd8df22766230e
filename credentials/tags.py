"""What sessions of a role carry besides their name, where the customer's trust policy allows it by its second statement."""

from __future__ import annotations

from credentials.connection import Connection
from credentials.kinds import RoleSpec
from credentials.policies.setup import WORKSPACE_TAG

CONNECTION_TAG = "longshore-connection"


def session_tags(connection: Connection, spec: RoleSpec) -> tuple[tuple[str, str], ...]:
    """Pairs of key and value."""
    if not spec.session_tags:
        return ()
    return ((CONNECTION_TAG, connection.name), (WORKSPACE_TAG, connection.workspace))


def source_identity(connection: Connection, spec: RoleSpec) -> str | None:
    """It needs sts:SetSourceIdentity in the customer's trust policy, and AssumeRole fails without it."""
    return f"longshore-{connection.workspace}"[:64] if spec.session_tags else None
