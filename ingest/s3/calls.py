"""Requests about one object: hides how what a caller expects of it becomes headers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from config.errors import RequestRefusedError
from ingest.s3.body import Span
from ingest.s3.errors import Subject, explained
from ingest.s3.exchange import Call

_WHOLE = frozenset({200})
_PART = frozenset({200, 206})
_ETAG = re.compile(r"[!\x23-\x7e]{1,1024}")


def object_call(
    subject: Subject,
    headers: Mapping[str, str],
    *,
    if_match: str | None,
    version_id: str | None,
    span: Span | None = None,
) -> Call:
    """A HEAD, or a GET of the whole object or of a span. `headers`: those of every request. Raises RequestRefusedError."""
    if not subject.key:
        raise explained(RequestRefusedError, subject, "an object's key can't be empty", code="InvalidArgument")
    sent = {**headers, "x-amz-checksum-mode": "ENABLED"}
    if if_match is not None:
        if not _ETAG.fullmatch(if_match):
            raise explained(RequestRefusedError, subject, "this can't be an ETag", code="InvalidArgument")
        sent["if-match"] = f'"{if_match}"'
    good = _WHOLE
    if span is not None and not span.whole:
        sent["range"], good = span.header, _PART
    return Call(
        subject=subject,
        method=subject.request.upper(),
        key=subject.key,
        query={} if version_id is None else {"versionId": version_id.encode()},
        headers=sent,
        good=good,
    )
