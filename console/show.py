"""How runs and assets look: one object for programs, a few lines for people, keys that no terminal obeys."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from console.prices import cost_usd

if TYPE_CHECKING:
    from ingest.catalog.runs import Run, Totals
    from ingest.job import IngestJob

EXIT_CODES: Final = {"complete": 0, "partial": 3}
"""By a run's state; any other state is 1."""
ASKED: Final = (
    *("exact", "versions", "tags", "perceptual_hash", "copy_to", "recheck_archived"),
    *("include", "exclude"),
)
"""The fields of a job that ask for more, or for less, than there is without them."""
_JSON_COLUMNS: Final = ("media", "metadata", "headers", "tags")
_TIMES: Final = ("first_seen_at", "changed_at", "content_changed_at")
_OF_CONNECTIONS: Final = frozenset(
    (
        *("AccessDenied", "AccessLost", "InvalidAccessKeyId", "KeyRefused", "ListCondition", "NoSuchBucket"),
        *("RoleDenied", "RoleOpen", "SessionRefused", "SignatureDoesNotMatch"),
    )
)
"""The codes of errors that a connection test looks into."""


def exit_code(run: Run) -> int:
    return EXIT_CODES.get(run.state, 1)


def run_summary(run: Run, totals: Totals) -> dict[str, Any]:
    """The object that `--json` prints: counts of objects by outcome, requests by class, bytes read, seconds so far or in all."""
    named = run.job if run.job is not None and run.job.names_objects else None
    end = run.finished_at or int(time.time() * 1000)
    seconds = max(0, end - run.started_at) / 1000 if run.started_at else 0.0
    return {
        "run": run.id,
        "job_id": run.job_id,
        "parent": run.parent_id,
        "schedule": run.schedule,
        "state": run.state,
        "connection": run.connection,
        "uris": list(named.uris) if named is not None else [source.uri for source in run.sources],
        "depth": None if run.job is None else run.job.depth,
        "asked": asked(run.job),
        "submitted_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "finished_at": iso(run.finished_at),
        "listed": totals.listed,
        **{name: totals.outcomes[name] for name in ("added", "changed", "unchanged")},
        "removed": totals.removed,
        **{name: totals.outcomes[name] for name in ("filtered", "vanished", "archived", "failed")},
        "bytes": totals.bytes,
        "requests": dict(totals.requests),
        "seconds": round(seconds, 3),
        "cost_usd": 0.0 if named is not None and named.of_servers else cost_usd(totals.requests),
        "error_code": run.error_code,
        "error": run.error,
        "certificate": run.certificate,
    }


def asked(job: IngestJob | None) -> dict[str, Any] | None:
    """What of these is not as it is by itself. None if there is no job to tell of."""
    return None if job is None else job.model_dump(mode="json", include=set(ASKED), exclude_defaults=True)


def sources_of(run: Run) -> list[str]:
    """What a run is about, for people: where it lists, or the objects that it names."""
    if run.job is None or not run.job.names_objects:
        return [shown(source.uri) for source in run.sources]
    return [
        shown(source.uri) if len(named.keys) == 1 else f"{len(named.keys):,} objects of {shown(source.uri)}..."
        for source, named in zip(run.sources, run.job.named, strict=True)
    ]


def run_lines(summary: Mapping[str, Any], *, error: bool = True) -> list[str]:
    """A run for people: what became of the objects, and what it took; and why it ended so, unless that is told elsewhere."""
    names = ("added", "changed", "unchanged", "removed", "filtered", "vanished", "archived", "failed")
    outcomes = ", ".join(f"{summary[name]:,} {name}" for name in names if summary[name] or name in names[:3])
    requests = ", ".join(f"{count:,} {name.upper()}" for name, count in summary["requests"].items() if count)
    spent = f"{requests or 'no requests'}; {counted(summary['bytes'], 'byte')} in {summary['seconds']:.1f} s"
    lines = [
        f"run {summary['run']} {summary['state']}: {summary['listed']:,} listed, {outcomes}",
        f"{spent}; about ${summary['cost_usd']:.6f}",
        *([] if summary["job_id"] is None else [f"job ID {shown(summary['job_id'])}"]),
        *([] if summary["parent"] is None else [f"tries run {summary['parent']} again"]),
        *([] if summary["schedule"] is None else [f"made by schedule {summary['schedule']}"]),
    ]
    if error and summary["error"] is not None:
        lines += [f"{summary['error_code']}: {summary['error']}", *what_next(summary)]
    return lines if summary["certificate"] is None else [*lines, *certificate_lines(summary["certificate"])]


def what_next(summary: Mapping[str, Any]) -> list[str]:
    """What finds out more than the error of a run says."""
    if summary["state"] != "failed" or summary["error_code"] not in _OF_CONNECTIONS:
        return []
    uri = summary["uris"][0] if summary["uris"] else ""
    place = f" --uri s3://{shown(uri[5:].partition('/')[0])}/" if uri.startswith("s3://") else ""
    return [
        f"next:  longshore connections test {summary['connection']}{place if summary['connection'] == 'default' else ''}"
    ]


def certificate_lines(certificate: Mapping[str, Any], *, whole: bool = True) -> list[str]:
    """What was proved of a run, in a few words; and what could not be. `whole`: all that was asked was listed."""
    if not certificate["holds"]:
        told = [
            f"{one['check']} at {one['where']}: expected {one['expected']}, found {one['found']}"
            for one in certificate["problems"]
        ]
        more = certificate["wrong"] - len(told)
        return ["certificate: does not hold", *told, *([f"and {more:,} more"] if more else [])]
    spans, rows = counted(certificate["spans"], "span"), counted(certificate["rows"], "row")
    alone = certificate["spans"] == 1
    tiles = f"{'tiles' if alone else 'tile'} what was asked" if whole else f"{'does' if alone else 'do'} not overlap"
    removed = "" if certificate["removed"] is None else f", {certificate['removed']:,} removed"
    said = {
        "uncounted": ("span of an older version says", "spans of an older version say", "nothing of new rows"),
        "superseded": ("span was", "spans were", "listed again by a later run, which has the rows now"),
        "purged": ("row of a removed asset is", "rows of removed assets are", "there no more"),
    }
    return [
        f"certificate: {spans} {tiles}, outcomes add up, {rows} recounted, {certificate['missing']:,} missing{removed}",
        *(
            f"certificate: {certificate[name]:,} {one if certificate[name] == 1 else many} {what}"
            for name, (one, many, what) in said.items()
            if certificate[name]
        ),
    ]


def hints(job: IngestJob, summary: Mapping[str, Any]) -> list[str]:
    """What somebody should hear whose run ended well and found nothing, which seldom is what was meant."""
    if summary["state"] != "complete":
        return []
    if summary["listed"] == 0 and not job.names_objects:
        places = " ".join(shown(uri) for uri in job.uris)
        if any(character in uri for uri in job.uris for character in "*?"):
            return [f"hint: nothing lies below {places}: a prefix is a string and no glob; --include takes globs"]
        return [f"hint: nothing lies below {places}; a prefix is a string, compared byte by byte"]
    if summary["filtered"] == summary["listed"]:
        all_of_them = "the one object was" if summary["listed"] == 1 else f"all {summary['listed']:,} objects were"
        told = f"hint: {all_of_them} filtered out"
        return [f"{told}: a glob without / is compared with the last part of a key, any other with the whole key"]
    return []


def reason(run: Run, *, most: int = 60) -> str:
    """Why a run ended as it did, in no more than `most` characters; `runs show` has it whole."""
    if run.error_code is None:
        return "-"
    whole = shown(f"{run.error_code}: {run.error or ''}".rstrip(": "))
    return whole if len(whole) <= most else f"{whole[: most - 1]}…"


def told(value: object) -> str:
    """The value of a field for people: no word of Python's."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value in (None, [], {}):
        return "-"
    return shown(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def harmless(text: str) -> str:
    """A sentence that may hold names of others: like `shown`, but backslashes, with which names are escaped in it, stay as they are."""
    return "\\".join(shown(part) for part in text.split("\\"))


def shown(text: str) -> str:
    """A key, an address or a name on one line: what is not printable is escaped, so that no terminal obeys it."""
    return "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape").decode() for char in text
    )


def shown_key(key: bytes) -> str:
    """Like `shown`; bytes that are no UTF-8 appear by their number in hex."""
    valid = key.decode(errors="surrogateescape")
    return "".join(f"\\x{ord(char) - 0xDC00:02x}" if 0xDC80 <= ord(char) <= 0xDCFF else shown(char) for char in valid)


def asset_record(row: Mapping[str, Any], *, workspace: str, connection: str) -> dict[str, Any]:
    """An asset for programs: the catalog's columns, with the computed ID, the key as text, and times as ISO 8601.

    `key_hex` is there if the key is no valid UTF-8 and its text can't be turned back into it.
    """
    from ingest.catalog.assets import asset_id
    from ingest.job import uri_of

    key, version = row["key"], row["version_id"]
    record = {
        "id": asset_id(workspace=workspace, connection=connection, bucket=row["bucket"], key=key, version_id=version),
        "connection": connection,
        "bucket": row["bucket"],
        "uri": uri_of(row["bucket"], key.decode(errors="backslashreplace")),
        **key_text(key),
    }
    for name, value in row.items():
        if name in _JSON_COLUMNS:
            record[name] = None if value is None else json.loads(value, parse_constant=_null)
        elif name in _TIMES:
            record[name] = iso(value)
        elif name not in ("connection_id", "bucket", "key"):
            record[name] = value
    return record


def _null(_word: str) -> None:
    """In place of NaN and Infinity, which JSON does not have."""


def key_text(key: bytes) -> dict[str, Any]:
    """A key for programs; see `asset_record`."""
    text = key.decode(errors="backslashreplace")
    return {"key": text, "key_hex": None if text.encode() == key else key.hex()}


def iso(milliseconds: int | None) -> str | None:
    """Unix milliseconds as ISO 8601 in UTC."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def described(record: Mapping[str, Any]) -> dict[str, Any]:
    """A connection or a role for programs: times as ISO 8601, null where there is none."""
    plain = {name: iso(value or None) if name.endswith("_at") else value for name, value in record.items()}
    if isinstance(tested := plain.get("tested"), dict) and isinstance(tested.get("at"), int):
        plain["tested"] = tested | {"at": iso(tested["at"])}
    return plain


def as_json(value: Any, *, indent: int | None = None) -> str:
    """JSON in ASCII: a terminal or a log takes it whatever a key holds."""
    return json.dumps(value, indent=indent, allow_nan=False)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; for what fits on a screen."""
    cells = [tuple(titles), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(titles))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
