"""The catalog's tables of connections, roles and external IDs, and of what was done to them."""

from __future__ import annotations

import sqlalchemy as sa

from config.database import Text, metadata

connections = sa.Table(
    "connections",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("workspace", Text, nullable=False),
    sa.Column("name", Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("audience", sa.Text, nullable=False, server_default="workspace"),
    sa.Column("spec", sa.Text, nullable=False),  # JSON, without secrets, and without what the role brings
    sa.Column("role_id", Text),  # the kept role, if it has one
    sa.Column("sealed", sa.Text),  # the secret, if the kind has one; gone once the connection is removed
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),  # Unix milliseconds, like all times below
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("removed_at", sa.BigInteger),
    sa.Column("trust", sa.Text),  # safe or open; what was seen of the role, gone with every change of it
    sa.Column("trust_at", sa.BigInteger),
    sa.Column("tested", sa.Text),  # JSON: the last connection test in short
    sa.Column("tested_at", sa.BigInteger),
    sa.Index(
        "connections_name",
        "workspace",
        "name",
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    ),
    sa.Index(
        "connections_shared",
        "name",
        sqlite_where=sa.text("audience = 'organisation'"),
        postgresql_where=sa.text("audience = 'organisation'"),
    ),
)
"""A removed connection stays as a tombstone: its assets refer to it, and the same workspace, name and kind revive it."""

roles = sa.Table(
    "roles",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("workspace", Text, nullable=False),
    sa.Column("name", Text, nullable=False),
    sa.Column("audience", sa.Text, nullable=False),
    sa.Column("role_arn", sa.Text, nullable=False),
    sa.Column("external_id", sa.Text),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("workspace", "name", name="roles_name"),
)
"""Roles that many connections share."""

external_ids = sa.Table(
    "external_ids",
    metadata,
    sa.Column("workspace", Text, primary_key=True),
    sa.Column("owner", Text, primary_key=True),  # connection:NAME or role:NAME, which need not exist yet
    sa.Column("value", Text, nullable=False, unique=True),
    sa.Column("issued_at", sa.BigInteger, nullable=False),
)
"""What we have issued: one for each workspace and owner, for good."""

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("workspace", Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("object", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),  # JSON, without secrets
    sa.Index("audit_workspace", "workspace", "id"),
)
"""Append-only: written in the transaction of what it tells; the database itself refuses to change a line."""
