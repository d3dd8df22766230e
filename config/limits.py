"""Limits: everything that can grow, and its bound; times that a deployment may want otherwise."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Limits(BaseModel):
    """Every bound by its name. Times in seconds, sizes in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # a slice of a shard
    slice_s: float = Field(60.0, gt=0, description="a slice stops starting work after this long when others wait")
    lease_s: float = Field(10.0, gt=0, description="a worker that is silent for this long loses its shard")
    heartbeat_s: float = Field(
        2.5, gt=0, description="how often a lease is renewed while nothing commits; less than half of it"
    )
    sweep_s: float = Field(2.0, gt=0, description="how often a worker looks for work that was lost")
    drain_s: float = Field(20.0, gt=0, description="on SIGTERM, how long a slice may take to finish its batch")
    shards_per_connection: int = Field(
        64, ge=1, description="shards of one connection that are worked on at the same time, by all workers together"
    )
    slices_at_once: int = Field(8, ge=1, description="shards that one worker process works on at the same time")
    slices_per_connection: int = Field(
        6, ge=1, description="... and of one connection; the rest is for others, which need not wait for a slice to end"
    )
    idle_flag_s: float = Field(
        6.0, gt=0, description="how long a worker that finds nothing to do counts as idle, unless it looks again"
    )
    give_spans: int = Field(
        2, ge=1, description="a shard is given to an idle worker only if it is thought to hold as many spans"
    )
    rings: int = Field(32, ge=1, description="rings for one run; further shards are found without")

    # a catalog that is full, busy or down
    catalog_pause_first_s: float = Field(
        0.1, gt=0, description="pause before work that the catalog did not take is tried again, doubling"
    )
    catalog_pause_most_s: float = Field(2.0, gt=0, description="... up to this")
    catalog_silent_s: float = Field(
        5.0,
        gt=0,
        description="a catalog that has not answered for this long is said to be away; the answer is waited for",
    )
    catalog_goodbye_s: float = Field(
        5.0, gt=0, description="how long a worker that stops tries to give a shard back; else its lease runs out"
    )

    # what is kept
    keep_spans_days: float = Field(
        90.0, ge=0, description="days that a run's spans are kept after its end; its totals stay; 0: for ever"
    )
    keep_removed_days: float = Field(90.0, ge=0, description="days that a removed asset's record is kept; 0: for ever")
    keep_runs_days: float = Field(
        365.0, ge=0, description="days that a run is kept after its end, with all it has; 0: for ever"
    )
    purge_s: float = Field(3600.0, gt=0, description="how often workers look for what was kept for long enough")
    purge_rows: int = Field(2_000, ge=1, description="rows that one transaction of a purge deletes at most")
    purge_chunks: int = Field(50, ge=1, description="transactions of a purge in a row, before a worker takes a breath")

    # processes of one supervisor
    restart_first_s: float = Field(0.5, gt=0, description="pause before a process that died is started again, doubling")
    restart_most_s: float = Field(30.0, gt=0, description="... up to this")
    steady_s: float = Field(60.0, gt=0, description="a process that lived this long begins with the first pause again")
    stop_grace_s: float = Field(
        10.0, gt=0, description="how much longer than DRAIN_S a process may take to end before it is killed"
    )

    # requests
    list_streams: int = Field(32, ge=1, description="ranges of one shard that are listed at the same time")
    list_ahead: int = Field(4, ge=1, description="pages of one shard that are listed and wait to be looked at")
    probes_at_once: int = Field(64, ge=1, description="HEADs and GETs of one shard in flight")
    kinds_learnt: int = Field(
        4_000, ge=1, description="buckets and extensions whose first ranges one process has learnt, at depth media"
    )
    requests_per_connection: int = Field(
        192, ge=1, description="requests of one connection in flight in one process, over all its runs and buckets"
    )
    connections_per_host: int = Field(256, ge=1, description="sockets open to one endpoint")
    keep_alive_s: float = Field(15.0, gt=0, description="how long a socket that nobody uses is kept")
    names: int = Field(1000, ge=1, description="host names whose addresses are kept")
    names_s: float = Field(60.0, gt=0, description="how long they are kept")
    connect_s: float = Field(5.0, gt=0, description="time to connect, TLS included")
    first_byte_s: float = Field(
        60.0, gt=0, description="time until an answer begins; a LIST may be slow behind delete markers"
    )
    idle_s: float = Field(30.0, gt=0, description="time between two pieces of a body")
    request_s: float = Field(180.0, gt=0, description="time for one attempt of a LIST or HEAD, whole")
    attempts: int = Field(8, ge=1, description="attempts of one request")
    backoff_first_s: float = Field(
        0.05, gt=0, description="upper end of the first pause between attempts (full jitter)"
    )
    backoff_most_s: float = Field(20.0, gt=0, description="upper end of any pause between attempts")
    retry_budget: float = Field(0.2, gt=0, description="retries allowed per request sent, over the life of a client")
    retry_reserve: int = Field(100, ge=1, description="retries that the budget holds at first")
    retry_s: float = Field(300.0, gt=0, description="no attempt begins later than this after the first")
    gate_first: int = Field(
        64, ge=1, description="requests in flight at first, of one class (list, read) and bucket in one process"
    )
    gate_most: int = Field(
        192,
        ge=1,
        description="... and at most, while more of them bring more; others at that endpoint need sockets, too",
    )
    gate_slowest: float = Field(5.0, gt=0, description="requests per second that are sent however much is refused")
    gates: int = Field(1_000, ge=1, description="buckets and classes whose pace one process remembers")
    range_skip_bytes: int = Field(
        1024 * 1024, ge=0, description="how much is read past when a server ignores the range that was asked for"
    )
    list_body_bytes: int = Field(16 * 1024 * 1024, ge=1024, description="size of one LIST answer")
    headers: int = Field(1024, ge=128, description="headers of one answer; an object's own metadata may be hundreds")
    header_bytes: int = Field(64 * 1024, ge=8192, description="size of one header of an answer")
    headers_bytes: int = Field(256 * 1024, ge=8192, description="size of all headers of an answer together")
    body_ahead_bytes: int = Field(
        256 * 1024, ge=1024, description="how much of a body is received before its reader asks for it"
    )
    error_body_bytes: int = Field(64 * 1024, ge=256, description="how much of an error answer is read")

    # copies
    copy_s: float = Field(
        900.0, gt=0, description="time for one request that copies, whole; the storage may be silent meanwhile"
    )
    copies_per_connection: int = Field(
        48,
        ge=1,
        description="requests that copy of one connection in flight in one process; they take long, and others go on",
    )
    copy_whole_bytes: int = Field(
        5 * 1024**3, ge=1, le=5 * 1024**3, description="objects above this size are copied in parts"
    )
    copy_part_bytes: int = Field(
        256 * 1024**2,
        ge=5 * 1024**2,
        le=5 * 1024**3,
        description="size of a part; larger where 10,000 of them would not be enough",
    )
    copy_parts_at_once: int = Field(8, ge=1, description="parts of one object that are copied at the same time")

    # depth content
    bodies_bytes: int = Field(
        64 * 1024 * 1024,
        ge=4 * 1024 * 1024,
        description="memory that all bodies being read at depth content take together",
    )
    body_breaks: int = Field(
        8,
        ge=0,
        description="how often each 64 MiB of a body may break off less than 1 MiB further on, and be gone on with from there",
    )
    body_slowest: int = Field(
        1024,
        ge=0,
        description="bytes per second that a body comes at least, beyond IDLE_S of waiting; else it is asked for anew",
    )
    sidecar_bytes: int = Field(
        64 * 1024, ge=0, le=256 * 1024, description="size of a JSON or text object whose text is kept; 0: none is"
    )

    duplicates_told: int = Field(
        100, ge=2, description="objects of one content that `longshore assets --duplicates` names; all are counted"
    )

    # perceptual hashes
    image_bytes: int = Field(
        16 * 1024 * 1024,
        ge=1,
        description="size of an image that gets a perceptual hash; twice as much of BODIES_BYTES is taken meanwhile",
    )
    image_pixels: int = Field(50_000_000, ge=1, description="pixels of an image that gets a perceptual hash")
    image_s: float = Field(10.0, gt=0, description="time to decode one image; then what decodes it is killed")
    image_memory_bytes: int = Field(
        768 * 1024 * 1024, ge=256 * 1024 * 1024, description="address space of one process that decodes images"
    )
    image_decoders: int = Field(2, ge=1, description="processes that decode images, of one worker process")

    # HTTPS sources
    https_redirects: int = Field(5, ge=0, description="redirects of one HTTPS request that are followed")
    https_at_once: int = Field(16, ge=1, description="requests to one HTTPS server in flight in one process")
    https_bytes: int = Field(5 * 1024**3, ge=1, description="how much of one object behind HTTPS is read")
    https_unsized_bytes: int = Field(
        1024 * 1024, ge=1, description="... if its server does not say how long it is: its end is looked for"
    )

    # spans
    page_keys: int = Field(1000, ge=1, le=1000, description="keys asked for in one LIST")
    versions_per_key: int = Field(
        100_000, ge=1, description="versions of one object; all of them are held at once, and committed together"
    )
    span_probes: int = Field(250, ge=1, description="changed keys that one span holds at most when each is probed")
    span_bytes: int = Field(
        1024**3, ge=1, description="bytes of the changes of one span at depth content, unless a single one has more"
    )
    remembered_spans: int = Field(
        30_000, ge=0, description="spans of the run before that are remembered; beyond, rows are compared one by one"
    )
    known_rows: int = Field(5000, ge=1, description="catalog rows that one span may compare with")
    pieces_at_once: int = Field(8, ge=1, description="pages of one shard that are compared and probed at the same time")
    spans_per_commit: int = Field(
        16, ge=1, description="spans that one transaction commits at most, and that wait for it"
    )

    # the run
    denied_window: int = Field(200, ge=10, description="probes looked back on for a storm of denials")
    denied_share: float = Field(0.95, gt=0, le=1, description="share of denied probes in the window that stops the run")
    removals_most: int = Field(10_000, ge=0, description="removals above which a run asks for confirmation")
    removals_share: float = Field(0.3, ge=0, le=1, description="share of known assets above which a run asks")
    removals_min: int = Field(20, ge=0, description="removals below which the share is not looked at")
    removals_per_commit: int = Field(
        5_000, ge=1, description="rows that one transaction removes at most, or keeps, when a run closes"
    )
    recount_rows: int = Field(100_000, ge=1, description="rows that one read recounts at most when a run closes")
    retry_ranges: int = Field(
        1_000, ge=1, description="ranges around failed objects that one retry lists; beyond, the nearest are joined"
    )
    failures_before_rest: int = Field(
        10, ge=1, description="transient failures of a shard in a row before its run fails"
    )

    # sessions
    sts_attempts: int = Field(3, ge=1, description="attempts of one STS call")
    sts_connect_s: float = Field(2.0, gt=0, description="time to connect to STS")
    sts_read_s: float = Field(5.0, gt=0, description="time for STS to answer")
    sts_negative_s: float = Field(5.0, gt=0, description="a refusal is remembered this long, doubling")
    sts_negative_most_s: float = Field(60.0, gt=0, description="... up to this")
    sts_clients: int = Field(64, ge=1, description="regions whose client for STS is kept; others get one for each call")
    sessions: int = Field(2_000, ge=1, description="sessions kept in one process")

    trust_s: float = Field(
        86_400.0, gt=0, description="a role's trust is looked at again by the first run after this long"
    )
    connections: int = Field(10_000, ge=1, description="connections of one workspace, and roles")

    # secrets
    secrets_per_commit: int = Field(100, ge=1, description="secrets that one transaction seals anew at most")
    secret_old_days: float = Field(90.0, gt=0, description="days after which a stored access key is warned of")
    secret_reference_s: float = Field(
        300.0, ge=0, description="how long a secret that lives elsewhere is used before it is read again"
    )
    secrets_elsewhere: int = Field(1_000, ge=1, description="secrets that live elsewhere and are kept in one process")
    secret_read_s: float = Field(15.0, gt=0, description="time for a secret that lives elsewhere to be read")
    secret_bytes: int = Field(65_536, ge=1, description="size of what a reference to a secret leads to")

    # signed URLs
    presign_batch: int = Field(1_000, ge=1, description="URLs that are signed in one go, with one session")
    bucket_regions: int = Field(10_000, ge=1, description="buckets whose region one process remembers for signed URLs")
    bucket_region_s: float = Field(3600.0, gt=0, description="how long a bucket's region is remembered")
    bucket_region_unknown_s: float = Field(
        30.0, gt=0, description="how long it is remembered that a bucket's region could not be found"
    )

    # a connection test
    check_s: float = Field(
        120.0, gt=0, description="time that a connection test may take, beside waiting for policies to spread"
    )
    check_wait_s: float = Field(
        60.0, ge=0, description="how long it waits for policies to spread, unless somebody says so"
    )
    check_fresh_s: float = Field(
        600.0, ge=0, description="... for connections that were made or changed so recently; for others not at all"
    )
    check_places: int = Field(20, ge=1, description="places of one connection that it tries")

    # jobs
    prefixes_per_job: int = Field(1_000, ge=1, description="URIs in one job")
    objects_per_job: int = Field(5_000, ge=1, description="... where each is one object, and nothing is listed")
    uri_characters_per_job: int = Field(
        256 * 1024,
        ge=1,
        description="characters of all URIs of one job: 5,000 objects with 52 each; on the queue, JOB_BYTES bounds them, too",
    )
    globs_per_job: int = Field(100, ge=0, description="include and exclude globs in one job, together")
    glob_characters_per_job: int = Field(16_384, ge=1, description="characters of all globs of one job")
    job_bytes: int = Field(256 * 1024, ge=1024, description="size of a job on the queue")
    options_depth: int = Field(32, ge=1, le=100, description="how deep the options of a job may be nested")
    schedules: int = Field(1_000, ge=1, description="schedules of one workspace")

    @model_validator(mode="after")
    def _heartbeat_is_heard_twice(self) -> Self:
        """One that is late must not cost the shard."""
        if self.heartbeat_s >= self.lease_s / 2:
            raise ValueError(
                f"LONGSHORE_LIMITS__HEARTBEAT_S ({self.heartbeat_s:g}) must be less than half of "
                f"LONGSHORE_LIMITS__LEASE_S ({self.lease_s:g})"
            )
        return self
