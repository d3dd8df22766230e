"""Audiences, roles of their own, external IDs that we issue, what was seen of a role, and an audit that only grows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from config.database import Text

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("connections", sa.Column("audience", sa.Text, nullable=False, server_default="workspace"))
    for name, kind in (
        ("role_id", Text),
        ("trust", sa.Text),
        ("trust_at", sa.BigInteger),
        ("tested", sa.Text),
        ("tested_at", sa.BigInteger),
    ):
        op.add_column("connections", sa.Column(name, kind))
    shared = sa.text("audience = 'organisation'")
    op.create_index("connections_shared", "connections", ["name"], sqlite_where=shared, postgresql_where=shared)
    op.create_table(
        "roles",
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
    op.create_table(
        "external_ids",
        sa.Column("workspace", Text, primary_key=True),
        sa.Column("owner", Text, primary_key=True),
        sa.Column("value", Text, nullable=False, unique=True),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
    )
    _audit_only_grows()


def _audit_only_grows() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{event.lower()} BEFORE {event} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
            )
        op.execute(  # INSERT OR REPLACE deletes without a trigger for that
            "CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id) "
            "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()"
    )
