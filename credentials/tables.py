"""The catalog's tables of connections and of what was done to them."""

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
    sa.Column("spec", sa.Text, nullable=False),  # JSON, without secrets
    sa.Column("sealed", sa.Text),  # the secret, if the kind has one; gone once the connection is removed
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),  # Unix milliseconds, like the two below
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("removed_at", sa.BigInteger),
    sa.Index(
        "connections_name",
        "workspace",
        "name",
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    ),
)
"""A removed connection stays as a tombstone: its assets refer to it, and the same workspace, name and kind revive it."""

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),  # Unix milliseconds
    sa.Column("workspace", Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("object", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),  # JSON, without secrets
    sa.Index("audit_workspace", "workspace", "id"),
)
"""Append-only: written in the transaction of what it tells, never changed."""
