"""The tables of the catalog that ingest owns. Times are Unix milliseconds; keys and ends of ranges are bytes."""

from __future__ import annotations

import sqlalchemy as sa

from config.database import metadata

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("connection_id", sa.Text, nullable=False),
    sa.Column("connection", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),  # ingest | queue
    sa.Column("job_id", sa.Text),  # the producer's own name for the job
    sa.Column("job", sa.Text, nullable=False),  # IngestJob as JSON; {} if the payload could not be used
    sa.Column(
        "sources", sa.Text, nullable=False
    ),  # [[bucket, prefix in hex], ...]; ranges and spans name one by its number
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("error_code", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("removed", sa.BigInteger, nullable=False, default=0),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("number", sa.BigInteger, nullable=False, server_default="0"),  # in the order in which runs were written
    sa.Index("runs_newest", "workspace", "created_at"),
    sa.Index("runs_of_connection", "connection_id", "number"),
    sa.Index("runs_in_order", "number"),
    sa.Index("runs_job", "workspace", "job_id", unique=True, sqlite_where=sa.text("job_id IS NOT NULL")),
)

shards = sa.Table(
    "shards",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.id"), nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # ready | leased | done | failed
    sa.Column("epoch", sa.BigInteger, nullable=False, default=0),  # rises when a lease runs out: the fence
    sa.Column("seq", sa.BigInteger, nullable=False, default=0),  # rises with every commit
    sa.Column("owner", sa.Text),
    sa.Column("lease_until", sa.BigInteger),
    sa.Column("rest_until", sa.BigInteger, nullable=False, default=0),  # not to be claimed before
    sa.Column("failures", sa.Integer, nullable=False, default=0),  # transient ones in a row
    sa.Column("worked_at", sa.BigInteger, nullable=False, default=0),
    sa.Column(
        "ranges", sa.Text, nullable=False
    ),  # what is still to do: [[source, lo in hex or null, hi in hex or null], ...]
    sa.Column("requests_list", sa.BigInteger, nullable=False, default=0),
    sa.Column("requests_head", sa.BigInteger, nullable=False, default=0),
    sa.Column("requests_get", sa.BigInteger, nullable=False, default=0),
    sa.Column("requests_sts", sa.BigInteger, nullable=False, default=0),
    sa.Column("bytes", sa.BigInteger, nullable=False, default=0),
    sa.Index("shards_of_run", "run_id"),
    sa.Index("shards_open", "state", sqlite_where=sa.text("state IN ('ready', 'leased')")),
)

OUTCOMES = ("filtered", "unchanged", "vanished", "archived", "failed", "changed", "added")
"""Every entry has exactly one, by this precedence."""

spans = sa.Table(
    "spans",
    metadata,
    sa.Column("shard_id", sa.Text, sa.ForeignKey("shards.id"), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("source", sa.Integer, nullable=False),
    sa.Column("lo", sa.LargeBinary),
    sa.Column("hi", sa.LargeBinary),
    sa.Column("listed", sa.BigInteger, nullable=False),
    *(sa.Column(outcome, sa.BigInteger, nullable=False) for outcome in OUTCOMES),
    sa.Column("known", sa.BigInteger, nullable=False),  # live assets that it was compared with
    sa.Column("missing", sa.BigInteger, nullable=False),  # of those, not listed any more
    sa.Column(
        "digest", sa.LargeBinary
    ),  # of what was listed, if the catalog holds exactly that and nothing is left to do
    sa.Column("committed_at", sa.BigInteger, nullable=False),
    sa.Index("spans_of_source", "run_id", "source", "lo"),
)

assets = sa.Table(
    "assets",
    metadata,
    sa.Column("connection_id", sa.Text, primary_key=True),
    sa.Column("bucket", sa.Text, primary_key=True),
    sa.Column("key", sa.LargeBinary, primary_key=True),
    sa.Column("version_id", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("etag", sa.Text, nullable=False),
    sa.Column("last_modified", sa.Text, nullable=False),  # as listed
    sa.Column("storage_class", sa.Text, nullable=False),
    sa.Column("listed_checksum", sa.Text, nullable=False),  # algorithm and type as listed
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("depth", sa.Text, nullable=False),
    sa.Column("content_type", sa.Text),
    sa.Column("checksum_algorithm", sa.Text),
    sa.Column("checksum", sa.Text),
    sa.Column("checksum_type", sa.Text),
    sa.Column("probed_version_id", sa.Text),  # as the probe saw it; never decides
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
    sa.Column("duration_s", sa.Double),
    sa.Column("media", sa.Text),
    sa.Column("metadata", sa.Text),
    sa.Column("headers", sa.Text),
    sa.Column("tags", sa.Text),
    sa.Column("error_code", sa.Text),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("first_seen_at", sa.BigInteger, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
    sa.Index("assets_missing", "run_id", sqlite_where=sa.text("state = 'missing'")),
    sqlite_with_rowid=False,
)
