"""What an HTTPS server's headers say of an object: hides weak ETags, ETags without quotes, and which date is the one of a listing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

from ingest.model import ObjectHead, Validator

_KEPT: Final = ("content-encoding", "content-language", "content-disposition", "cache-control", "expires")
_WEAK: Final = 'W/"'
_OPAQUE: Final = re.compile(r"[!\x23-\x7e]{1,1024}")
_PLAIN: Final = frozenset({"", "identity"})


def read_web_head(headers: Mapping[str, str], *, size: int) -> ObjectHead:
    """`headers` by lower-case names."""
    return ObjectHead(
        size=size,
        etag=kept_etag(headers.get("etag", "")),
        last_modified=headers.get("last-modified", ""),
        content_type=headers.get("content-type", ""),
        headers={name: headers[name] for name in _KEPT if name in headers},
    )


def kept_etag(said: str) -> str:
    """A strong ETag without its quotes, as S3's are kept; a weak one whole, so that it is never taken for a strong one."""
    said = _readable(said).strip()
    return said if said.startswith(_WEAK) else said.strip('"')


def _readable(said: str) -> str:
    """As a database takes it: bytes that are no UTF-8 are read as Latin-1, and what can't be seen is left out."""
    if not said.isascii():
        raw = said.encode("utf-8", "surrogateescape")
        try:
            said = raw.decode()
        except UnicodeDecodeError:
            said = raw.decode("latin-1")
    return "".join(filter(str.isprintable, said))


def is_strong(etag: str) -> bool:
    """Whether a kept ETag names the very bytes."""
    return bool(etag) and not etag.startswith(_WEAK)


def conditions(*, if_match: str | None = None, unless: Validator | None = None) -> dict[str, str]:
    """Headers that ask for an object only if it is this one (which takes a strong ETag), or unless it is that one."""
    matches = _sent(if_match or "") if is_strong(if_match or "") else None
    said = {"if-match": matches} if matches is not None else {}
    if unless is None:
        return said
    if unless.etag:
        differs = _sent(unless.etag)
        return said if differs is None else said | {"if-none-match": differs}
    since = _http_date(unless.last_modified)
    return said | ({"if-modified-since": since} if since else {})


def _sent(etag: str) -> str | None:
    """A kept ETag as a header has it; None if it is none that may stand there."""
    if not is_strong(etag):
        return etag if _OPAQUE.fullmatch(etag.removeprefix("W/").strip('"')) else None
    return f'"{etag}"' if _OPAQUE.fullmatch(etag) else None


def is_packed(headers: Mapping[str, str]) -> bool:
    """Whether the bytes are another form of the object, which nobody asked for."""
    return headers.get("content-encoding", "").strip().lower() not in _PLAIN


def as_listed(http_date: str) -> str:
    """`Mon, 01 Jan 2024 00:00:00 GMT` as listings write it: `2024-01-01T00:00:00.000Z`. Empty if it is no date."""
    try:
        found = parsedate_to_datetime(http_date)
        return found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z") if found.tzinfo else ""
    except (ValueError, OverflowError):
        return ""


def _http_date(listed: str) -> str:
    try:
        return format_datetime(datetime.fromisoformat(listed).astimezone(UTC), usegmt=True) if listed else ""
    except (ValueError, OverflowError):
        return ""
