"""The demo, as a story: a customer's bucket is ingested through a role, changes, and is ingested again for what changed."""

from __future__ import annotations

import json
import math
import shlex
import signal
import time
from typing import Any, Final

from console.stage import Run, Stage, StageError, stage

LEAST_OBJECTS: Final = 50
_CHANGES: Final = 20
_SHOWN: Final = (
    "longshore_runs_total",
    "longshore_objects_total",
    "longshore_requests_total",
    "longshore_session_refreshes_total",
    "longshore_sessions_served_total",
    "longshore_commit_seconds_count",
)
_EXPORTED: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "LONGSHORE_REDIS_URL",
    "LONGSHORE_CATALOG_URL",
    "LONGSHORE_OPEN_ROLES",
)


def play(run: Run, *, objects: int, keep: bool) -> None:
    """Run the demo with that many objects; with `keep`, wait for Ctrl-C before everything is ended.

    Raises StageError if anything is not as it must be.
    """
    began = time.monotonic()
    _say("starting a Valkey, an S3, STS and IAM (moto), and a worker: `arq worker.main.WorkerSettings`")
    with stage(run) as on:
        seeded = on.ask("seed", objects)
        bucket = on.facts["bucket"]
        _say(f"the bucket {bucket} has {seeded['objects']:,} objects, {seeded['media']} of them pictures and sounds")
        _connect(on)
        on.ask("requests")
        _first_run(on, objects)
        _show_assets(on, objects)
        _show_metrics(on)
        _second_run(on, min(_CHANGES, objects // 10))
        _say(f"all of it is as it must be, after {time.monotonic() - began:.0f} s")
        if keep:
            _wait(on)
    _say("everything is ended; nothing was left running")


def _connect(on: Stage) -> None:
    bucket = f"s3://{on.facts['bucket']}"
    _say(
        f"we are a user in account {on.facts['operator']}; the bucket is a customer's, in account {on.facts['customer']}"
    )
    on.longshore("whoami")
    _say(
        "before the customer makes a role, we issue an external ID and print what to paste: who may assume it, and what it may do"
    )
    trust = on.longshore("policy", "trust", "acme")
    access = on.longshore("policy", "access", "acme", "--allow", bucket)
    role = on.ask("role", trust, access)["arn"]
    _say(f"the customer has made the role from these two, and tells us its ARN: {role}")
    on.longshore("connections", "add", "acme", "--role-arn", role, "--allow", bucket)


def _ingest(on: Stage) -> dict[str, Any]:
    """Submit the bucket through the queue, watch the worker, and return the run's summary."""
    run = on.longshore("submit", f"s3://{on.facts['bucket']}", "--connection", "acme", "--depth", "media").strip()
    on.longshore("runs", "watch", run)
    summary: dict[str, Any] = json.loads(on.longshore("runs", "show", run, "--json", silent=True))
    return summary


def _first_run(on: Stage, objects: int) -> None:
    _say("first run: every object is new, and the first bytes of each tell what it is, with one request")
    summary = _ingest(on)
    seen = on.ask("requests")
    _say(f"the servers saw {seen['LIST']:,} LIST, {seen['GET']:,} GET and {seen['STS']:,} STS requests")
    _must("the run", summary["state"], "complete")
    _must("objects listed", summary["listed"], objects)
    _must("objects added", summary["added"], objects)
    _few_lists(summary, objects)
    _must("GET requests", summary["requests"]["get"], objects)


def _show_assets(on: Stage, objects: int) -> None:
    _say("some of the records")
    for folder in ("2026/01/", "raw footage/", "emoji/"):
        on.longshore("assets", "--prefix", f"s3://{on.facts['bucket']}/{folder}", "--limit", "2")
    lines = on.longshore("assets", "--connection", "acme", "--state", "present", "--json", silent=True).splitlines()
    _must("asset records", len(lines), objects)
    pictures = [record for record in map(json.loads, lines) if record["width"]]
    sounds = [record for record in map(json.loads, lines) if record["duration_s"]]
    _say(f"of {len(pictures)} pictures we know the size, of {len(sounds)} sounds how long they are; one of each:")
    for record in (*pictures[:1], *sounds[:1]):
        print(json.dumps(record), flush=True)
    if not pictures or not sounds:
        raise StageError("no record says what its object is")


def _show_metrics(on: Stage) -> None:
    _say(f"some of what Prometheus sees at {on.metrics_url}")
    lines = [line for line in on.metrics() if line.startswith(_SHOWN)]
    print("\n".join(lines), flush=True)
    if not any(line.startswith("longshore_objects_total") for line in lines):
        raise StageError("the worker's metrics tell nothing of the objects it committed")


def _second_run(on: Stage, count: int) -> None:
    done = on.ask("change", count)
    _say(f"{count} objects were overwritten, {count} added, {count} deleted; second run: only those cost a request")
    on.ask("requests")
    summary = _ingest(on)
    seen = on.ask("requests")
    _say(f"the servers saw {seen['LIST']:,} LIST and {seen['GET']:,} GET requests for {summary['listed']:,} objects")
    _must("the run", summary["state"], "complete")
    for name in ("changed", "added"):
        _must(f"objects {name}", summary[name], done[name])
    _must("objects removed", summary["removed"], done["deleted"])
    _must("objects unchanged", summary["unchanged"], done["objects"] - 2 * count)
    _few_lists(summary, done["objects"])
    _must("GET requests", summary["requests"]["get"], 2 * count)
    _must("GET requests that the server saw", seen["GET"], 2 * count)


def _wait(on: Stage) -> None:
    _say("everything stays up until Ctrl-C; in another shell, with longshore on its PATH:")
    for name in _EXPORTED:
        print(f"export {name}={shlex.quote(on.environment[name])}")
    print(f"curl {on.metrics_url}")
    _say(
        "with the AWS CLI there, as the customer, a file of yours goes into the bucket; then ingest it, or the whole bucket again:"
    )
    facts = {name: shlex.quote(on.facts[name]) for name in ("customer_access_key_id", "customer_secret_access_key")}
    key = f"AWS_ACCESS_KEY_ID={facts['customer_access_key_id']} AWS_SECRET_ACCESS_KEY={facts['customer_secret_access_key']}"
    print(f"{key} aws s3 cp FILE s3://{on.facts['bucket']}/")
    print(f"longshore ingest s3://{on.facts['bucket']} --connection acme --depth media", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print(flush=True)


def _few_lists(summary: dict[str, Any], objects: int) -> None:
    """A page for each thousand, and a few to find out where to cut a listing that goes on side by side."""
    pages, asked = math.ceil(objects / 1000), summary["requests"]["list"]
    if not pages <= asked <= 2 * pages + 10:
        raise StageError(f"LIST requests: {asked}, but {pages} pages need no more than {2 * pages + 10}")


def _must(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise StageError(f"{what}: {found}, but it must be {wanted}")


def _say(text: str) -> None:
    print(f"\n==> {text}", flush=True)
