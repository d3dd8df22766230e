"""Runs are numbered in the order in which they were written, which no clock that is set back can change; and found by connection."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("runs", sa.Column("number", sa.BigInteger, nullable=False, server_default="0"))
    op.execute(
        "UPDATE runs SET number = (SELECT count(*) FROM runs AS other "
        "WHERE (other.created_at, other.id) <= (runs.created_at, runs.id))"
    )
    op.create_index("runs_of_connection", "runs", ["connection_id", "number"])
    op.create_index("runs_in_order", "runs", ["number"])
    op.drop_index("spans_of_run", "spans")
    op.create_index("spans_of_source", "spans", ["run_id", "source", "lo"])
