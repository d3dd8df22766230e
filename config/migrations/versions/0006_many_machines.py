"""Runs that close by steps, are tried again, and are scheduled; shards that are handed over; what spans brought anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from config.database import Text

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for name, kind in (
        ("parent_id", Text),
        ("schedule_id", Text),
        ("asked", sa.Text),
        ("decision", sa.Text),
        ("totals", sa.Text),
        ("certificate", sa.Text),
    ):
        op.add_column("runs", sa.Column(name, kind))
    op.add_column("shards", sa.Column("kind", Text, nullable=False, server_default="list"))
    op.add_column("shards", sa.Column("giver", Text))
    op.add_column("spans", sa.Column("new", sa.BigInteger))
    removed = sa.text("state = 'removed'")
    op.create_index("assets_removed", "assets", ["changed_at"], sqlite_where=removed, postgresql_where=removed)
    missing = sa.text("state = 'missing'")  # by key, in which order they are removed a few thousand at a time
    op.drop_index("assets_missing", "assets")
    op.create_index(
        "assets_missing", "assets", ["run_id", "bucket", "key"], sqlite_where=missing, postgresql_where=missing
    )
    _closings()
    _idle()
    _schedules()
    op.create_table(
        "chores",
        sa.Column("name", Text, primary_key=True),
        sa.Column("due_at", sa.BigInteger, nullable=False),
    )


def _closings() -> None:
    """Runs that have not ended, or that may be decided on, get the shard that closes them."""
    op.execute(
        "INSERT INTO shards (id, run_id, kind, state, epoch, seq, rest_until, failures, worked_at, ranges, "
        "requests_list, requests_head, requests_get, requests_sts, bytes) "
        "SELECT id || '-close', id, 'close', CASE WHEN state = 'needs_confirmation' THEN 'done' ELSE 'ready' END, "
        "0, 0, 0, 0, 0, '[]', 0, 0, 0, 0, 0 FROM runs WHERE state IN ('queued', 'running', 'needs_confirmation')"
    )


def _idle() -> None:
    op.create_table(
        "idle",
        sa.Column("owner", Text, primary_key=True),
        sa.Column("workspace", Text, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )


def _schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", Text, primary_key=True),
        sa.Column("workspace", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("connection", sa.Text, nullable=False),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("cron", sa.Text, nullable=False),
        sa.Column("timezone", sa.Text, nullable=False),
        sa.Column("paused", sa.Integer, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("missed", sa.BigInteger, nullable=False),
        sa.Column("last_run_id", Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("schedules_name", "schedules", ["workspace", "name"], unique=True)
    op.create_index("schedules_due", "schedules", ["due_at"])
