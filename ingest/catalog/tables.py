"""The tables of the catalog that ingest owns. Times are Unix milliseconds; keys and ends of ranges are bytes."""

from __future__ import annotations

import sqlalchemy as sa

from config.database import Text, metadata

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("workspace", Text, nullable=False),
    sa.Column("connection_id", Text, nullable=False),
    sa.Column("connection", sa.Text, nullable=False),
    sa.Column("origin", Text, nullable=False),  # ingest | queue
    sa.Column("job_id", Text),  # the producer's own name for the job
    sa.Column("job", sa.Text, nullable=False),  # IngestJob as JSON; {} if the payload could not be used
    sa.Column(
        "sources", sa.Text, nullable=False
    ),  # [[bucket, prefix in hex], ...]; ranges and spans name one by its number
    sa.Column("state", Text, nullable=False),
    sa.Column("error_code", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("removed", sa.BigInteger, nullable=False, default=0),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("number", sa.BigInteger, nullable=False, server_default="0"),  # in the order in which runs were written
    sa.Column("parent_id", Text),  # the run that this one tries again
    sa.Column("schedule_id", Text),
    sa.Column("asked", sa.Text),  # ranges, as in shards.ranges; null: each source whole
    sa.Column("decision", sa.Text),  # on removals that needed one: confirmed | rejected
    sa.Column("totals", sa.Text),  # JSON, once the run has ended: its spans need not outlive it
    sa.Column("certificate", sa.Text),  # JSON
    sa.Index("runs_newest", "workspace", "created_at"),
    sa.Index("runs_of_connection", "connection_id", "number"),
    sa.Index("runs_in_order", "number"),
    sa.Index(
        "runs_job",
        "workspace",
        "job_id",
        unique=True,
        sqlite_where=sa.text("job_id IS NOT NULL"),
        postgresql_where=sa.text("job_id IS NOT NULL"),
    ),
)

shards = sa.Table(
    "shards",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("run_id", Text, sa.ForeignKey("runs.id"), nullable=False),
    sa.Column("kind", Text, nullable=False, server_default="list"),  # list | close: what is done when all is listed
    sa.Column("state", Text, nullable=False),  # ready | leased | done | failed
    sa.Column("epoch", sa.BigInteger, nullable=False, default=0),  # rises with every end of a lease: the fence
    sa.Column("seq", sa.BigInteger, nullable=False, default=0),  # rises with every commit
    sa.Column("owner", Text),
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
    sa.Column("requests_tags", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("requests_copy", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("giver", Text),  # who cut it off a shard of its own, for others that are idle
    sa.Index("shards_of_run", "run_id"),
    sa.Index(
        "shards_open",
        "state",
        sqlite_where=sa.text("state IN ('ready', 'leased')"),
        postgresql_where=sa.text("state IN ('ready', 'leased')"),
    ),
)

OUTCOMES = ("filtered", "unchanged", "vanished", "archived", "failed", "changed", "added")
"""Every entry has exactly one, by this precedence."""

spans = sa.Table(
    "spans",
    metadata,
    sa.Column("shard_id", Text, sa.ForeignKey("shards.id"), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("run_id", Text, nullable=False),
    sa.Column("source", sa.Integer, nullable=False),
    sa.Column("lo", sa.LargeBinary),
    sa.Column("hi", sa.LargeBinary),
    sa.Column("listed", sa.BigInteger, nullable=False),
    *(sa.Column(outcome, sa.BigInteger, nullable=False) for outcome in OUTCOMES),
    sa.Column("known", sa.BigInteger, nullable=False),  # live assets that it was compared with
    sa.Column("missing", sa.BigInteger, nullable=False),  # of those, not listed any more
    sa.Column(
        "new", sa.BigInteger
    ),  # rows that were not there before; null: written by a version that did not count them
    sa.Column(
        "digest", sa.LargeBinary
    ),  # of what was listed, if the catalog holds exactly that and nothing is left to do
    sa.Column("committed_at", sa.BigInteger, nullable=False),
    sa.Index("spans_of_source", "run_id", "source", "lo"),
)

IDENTITY = ("connection_id", "bucket", "key", "version_id")
"""What an asset is known by."""
OF_VERSIONS = ("version_id", "is_latest", "is_delete_marker")
"""What records of versions say besides. Of other records, the first is empty and the others are null."""
NOW = ("first_seen_at", "changed_at", "content_changed_at")
"""Its times, all of which begin with the moment when it is first written."""

assets = sa.Table(
    "assets",
    metadata,
    sa.Column("connection_id", Text, primary_key=True),
    sa.Column("bucket", Text, primary_key=True),
    sa.Column("key", sa.LargeBinary, primary_key=True),
    sa.Column("version_id", Text, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("etag", sa.Text, nullable=False),
    sa.Column("last_modified", sa.Text, nullable=False),  # as listed
    sa.Column("storage_class", sa.Text, nullable=False),
    sa.Column("listed_checksum", sa.Text, nullable=False),  # algorithm and type as listed
    sa.Column("state", Text, nullable=False),
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
    sa.Column("tags", sa.Text),  # JSON object; null: nobody has asked
    sa.Column("error_code", sa.Text),
    sa.Column("run_id", Text, nullable=False),
    sa.Column("first_seen_at", sa.BigInteger, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
    sa.Column("media_type", sa.Text),  # of the bytes, not of the name
    sa.Column("sha256", sa.Text),  # in hex
    sa.Column("md5", sa.Text),  # in hex; null where nobody knows
    sa.Column("verified", sa.Text),  # what was computed anew from the whole body, and was as the storage says
    sa.Column("restore", sa.Text),  # ongoing, or until when an archived object can be read (ISO 8601)
    sa.Column("perceptual_hash", sa.Text),  # null: nobody has asked; empty: it is no picture
    sa.Column("copied_to", sa.Text),  # s3 URI of the copy
    sa.Column("content", sa.Text),  # of a small text that may stand beside another object
    sa.Column("is_latest", sa.Boolean),  # of a version
    sa.Column("is_delete_marker", sa.Boolean),
    sa.Column("content_changed_at", sa.BigInteger),  # a change of metadata alone leaves it
    sa.Index(
        "assets_missing",
        "run_id",
        "bucket",
        "key",
        sqlite_where=sa.text("state = 'missing'"),
        postgresql_where=sa.text("state = 'missing'"),
    ),
    sa.Index(
        "assets_removed",
        "changed_at",
        sqlite_where=sa.text("state = 'removed'"),
        postgresql_where=sa.text("state = 'removed'"),
    ),
    sqlite_with_rowid=False,
)

idle = sa.Table(
    "idle",
    metadata,
    sa.Column("owner", Text, primary_key=True),  # a worker that found nothing to claim
    sa.Column("workspace", Text, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),  # unless it says so again
)

schedules = sa.Table(
    "schedules",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("workspace", Text, nullable=False),
    sa.Column("name", Text, nullable=False),
    sa.Column("connection", sa.Text, nullable=False),
    sa.Column("job", sa.Text, nullable=False),  # IngestJob as JSON
    sa.Column("cron", sa.Text, nullable=False),
    sa.Column("timezone", sa.Text, nullable=False),
    sa.Column("paused", sa.Integer, nullable=False, default=0),
    sa.Column("due_at", sa.BigInteger, nullable=False),
    sa.Column("missed", sa.BigInteger, nullable=False, default=0),  # times without a run of their own
    sa.Column("last_run_id", Text),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Index("schedules_name", "workspace", "name", unique=True),
    sa.Index("schedules_due", "due_at"),
)

chores = sa.Table(
    "chores",
    metadata,
    sa.Column("name", Text, primary_key=True),  # what one process does for all of them from time to time
    sa.Column("due_at", sa.BigInteger, nullable=False),
)
