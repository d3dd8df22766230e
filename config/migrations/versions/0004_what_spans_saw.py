"""A span keeps a digest of what it saw, so that the next run can tell an unchanged page without reading its rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("spans", sa.Column("digest", sa.LargeBinary))
