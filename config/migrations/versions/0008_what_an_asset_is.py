"""What probes beyond a HEAD find, which content is the same, and what is spent on tags and copies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_TEXTS = ("media_type", "sha256", "md5", "verified", "restore", "perceptual_hash", "copied_to", "content")


def upgrade() -> None:
    for name in _TEXTS:
        op.add_column("assets", sa.Column(name, sa.Text))
    for name in ("is_latest", "is_delete_marker"):
        op.add_column("assets", sa.Column(name, sa.Boolean))
    op.add_column("assets", sa.Column("content_changed_at", sa.BigInteger))
    for name in ("requests_tags", "requests_copy"):
        op.add_column("shards", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
