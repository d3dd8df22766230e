"""Runs, shards, spans and assets, and the assets' keys as text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from config.database import Text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _runs()
    _shards()
    _spans()
    _assets()


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _index(name: str, table: str, columns: list[str], *, only: str, unique: bool = False) -> None:
    where = sa.text(only)
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", Text, primary_key=True),
        sa.Column("workspace", Text, nullable=False),
        sa.Column("connection_id", Text, nullable=False),
        sa.Column("connection", sa.Text, nullable=False),
        sa.Column("origin", Text, nullable=False),
        sa.Column("job_id", Text),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("sources", sa.Text, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("error", sa.Text),
        _count("removed"),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("finished_at", sa.BigInteger),
    )
    op.create_index("runs_newest", "runs", ["workspace", "created_at"])
    _index("runs_job", "runs", ["workspace", "job_id"], only="job_id IS NOT NULL", unique=True)


def _shards() -> None:
    op.create_table(
        "shards",
        sa.Column("id", Text, primary_key=True),
        sa.Column("run_id", Text, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("state", Text, nullable=False),
        _count("epoch"),
        _count("seq"),
        sa.Column("owner", Text),
        sa.Column("lease_until", sa.BigInteger),
        _count("rest_until"),
        sa.Column("failures", sa.Integer, nullable=False),
        _count("worked_at"),
        sa.Column("ranges", sa.Text, nullable=False),
        _count("requests_list"),
        _count("requests_head"),
        _count("requests_get"),
        _count("requests_sts"),
        _count("bytes"),
    )
    op.create_index("shards_of_run", "shards", ["run_id"])
    _index("shards_open", "shards", ["state"], only="state IN ('ready', 'leased')")


def _spans() -> None:
    outcomes = ("filtered", "unchanged", "vanished", "archived", "failed", "changed", "added")
    op.create_table(
        "spans",
        sa.Column("shard_id", Text, sa.ForeignKey("shards.id"), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("run_id", Text, nullable=False),
        sa.Column("source", sa.Integer, nullable=False),
        sa.Column("lo", sa.LargeBinary),
        sa.Column("hi", sa.LargeBinary),
        _count("listed"),
        *(_count(outcome) for outcome in outcomes),
        _count("known"),
        _count("missing"),
        _count("committed_at"),
    )
    op.create_index("spans_of_run", "spans", ["run_id"])


def _assets() -> None:
    op.create_table(
        "assets",
        sa.Column("connection_id", Text, primary_key=True),
        sa.Column("bucket", Text, primary_key=True),
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("version_id", Text, primary_key=True),
        _count("size"),
        sa.Column("etag", sa.Text, nullable=False),
        sa.Column("last_modified", sa.Text, nullable=False),
        sa.Column("storage_class", sa.Text, nullable=False),
        sa.Column("listed_checksum", sa.Text, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("depth", sa.Text, nullable=False),
        sa.Column("content_type", sa.Text),
        sa.Column("checksum_algorithm", sa.Text),
        sa.Column("checksum", sa.Text),
        sa.Column("checksum_type", sa.Text),
        sa.Column("probed_version_id", sa.Text),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("duration_s", sa.Double),
        sa.Column("media", sa.Text),
        sa.Column("metadata", sa.Text),
        sa.Column("headers", sa.Text),
        sa.Column("tags", sa.Text),
        sa.Column("error_code", sa.Text),
        sa.Column("run_id", Text, nullable=False),
        _count("first_seen_at"),
        _count("changed_at"),
    )
    _index("assets_missing", "assets", ["run_id"], only="state = 'missing'")
    # PostgreSQL's text takes neither NUL nor what is no UTF-8
    text = "CAST(key AS TEXT)" if op.get_bind().dialect.name == "sqlite" else "encode(key, 'escape')"
    op.execute(f"CREATE VIEW assets_text AS SELECT {text} AS key_text, assets.* FROM assets")  # noqa: S608 - one of the two texts above
