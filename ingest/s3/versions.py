"""The versions of all objects below a prefix, page by page; hides that S3's own pages end in the midst of a key's versions.

Whatever is listed in ranges is cut at keys, so a page here holds all versions of each of its keys: those of the last one are carried
over to the next page.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from itertools import pairwise
from typing import Protocol

from config.errors import AccessDeniedError, ListingError
from config.limits import Limits
from ingest.model import Page, Range, Recall
from ingest.s3.listing import KEY_BYTES, Progress, broken, cut
from ingest.versions import Marker, VersionEntries

_MORE = "versions"
"""Stands where a page would have a token: what has none is the last one."""
_DENIED = (
    "Versions are listed with s3:ListBucketVersions: `longshore connections update NAME --versions` has the policies that are printed "
    "for the connection grant it, and s3:GetObjectVersion"
)


class ListsVersions(Protocol):
    """What is asked here. `ingest.s3.client.S3Client` is one."""

    async def list_versions(
        self, *, prefix: bytes, after: bytes | None = None, token: str | None = None, max_keys: int = 1000
    ) -> Page: ...

    async def list_page(self, *, prefix: bytes, start_after: bytes | None = None, delimiter: bytes = b"") -> Page: ...


class VersionPages:
    """One bucket's versions, as a lister asks for pages. Folders are those of the objects that are there now."""

    def __init__(self, source: ListsVersions, *, limits: Limits, what: str) -> None:
        """`what`: the bucket, for people."""
        self._source, self._limits, self._what = source, limits, what

    def pages(
        self, *, prefix: bytes, within: Range | None = None, recall: Recall | None = None
    ) -> AsyncGenerator[Page]:
        """See `version_pages`. What an earlier run saw is not asked for: that speaks of whole pages of S3's."""
        del recall
        return version_pages(
            self._source, prefix=prefix, within=within or Range(), limits=self._limits, what=self._what
        )

    async def list_page(self, *, prefix: bytes, start_after: bytes | None = None, delimiter: bytes = b"") -> Page:
        return await self._source.list_page(prefix=prefix, start_after=start_after, delimiter=delimiter)


async def version_pages(
    source: ListsVersions, *, prefix: bytes, within: Range, limits: Limits, what: str
) -> AsyncGenerator[Page]:
    """All versions of the keys of `prefix` inside `within`; each page has all that there are of its keys. Use it under `aclosing`.

    Raises SourceError (ListingError if the pages don't fit together, or a key has too many versions) and CredentialError.
    """
    progress = Progress(floor=within.lo, what=what)
    held, token = VersionEntries(), None
    while True:
        page = await source.list_versions(prefix=prefix, after=within.lo, token=token, max_keys=limits.page_keys)
        progress.add(page)
        entries = VersionEntries.joined([held, page.entries]) if held else page.entries
        assert isinstance(entries, VersionEntries), "that is what versions come as"
        _check_known_once(entries, what)
        token = page.next_token
        if token is None:
            yield cut(Page(entries=entries), within)
            return
        begins = entries.last_begins if entries else 0
        whole, held = entries[:begins], entries[begins:]
        _check_bound(held, limits.versions_per_key, what)
        page = cut(Page(entries=whole, next_token=_MORE), within)
        yield page
        if page.next_token is None:
            return


def versions_query(*, prefix: bytes, after: bytes | None, marker: Marker | None, max_keys: int) -> dict[str, bytes]:
    """What is asked for a page. A key marker alone stands behind all versions of its key."""
    query = {"versions": b"", "encoding-type": b"url", "max-keys": str(max_keys).encode(), "prefix": prefix}
    if marker is not None:
        return query | {"key-marker": marker.key, "version-id-marker": marker.version_id.encode()}
    return query if after is None else query | {"key-marker": after}


def check_versions(page: Page, *, prefix: bytes, after: bytes | None, marker: Marker | None, what: str) -> None:
    """Keys ascend by bytes, versions of one key stand together, all begin with `prefix` and lie behind `after`, none before `marker`;
    the next page begins at the last of them. Raises ListingError.
    """
    entries = page.entries
    assert isinstance(entries, VersionEntries), "that is what versions come as"
    for key in entries.keys:
        if not key.startswith(prefix) or len(key) > KEY_BYTES:
            raise broken(what, f"a key lies outside the prefix, or has more than {KEY_BYTES} bytes", key)
    for one, other in pairwise(entries.keys):
        if one > other:
            raise broken(what, "keys of versions do not ascend", other)
    following = None if page.next_token is None else Marker.of(page.next_token)
    for key in [*entries.keys[:1], *([] if following is None else [following.key])]:
        if (after is not None and key <= after) or (marker is not None and key < marker.key):
            raise broken(what, "versions begin before the place that was asked for", key)
    if following is not None and entries and following not in list(entries[entries.last_begins :].names()):
        raise broken(what, "the next page would not begin where this one ends", following.key)


def denied(error: AccessDeniedError) -> AccessDeniedError:
    """With the action that it takes."""
    return AccessDeniedError(f"{error.message} {_DENIED}.", **error.fields)


def _check_known_once(entries: VersionEntries, what: str) -> None:
    if len(set(entries.names())) == len(entries):
        return
    seen = set()
    for name in entries.names():
        if name in seen:
            raise broken(what, "a version was listed twice", name[0])
        seen.add(name)


def _check_bound(held: VersionEntries, most: int, what: str) -> None:
    if len(held) > most:
        shown = held.last[:80].decode("utf-8", "backslashreplace")
        raise ListingError(
            f"{what}: {shown!r} has more than {most} versions, and all of a key are held at once; raise "
            "LONGSHORE_LIMITS__VERSIONS_PER_KEY, or let a lifecycle rule of the bucket expire noncurrent versions",
            code="TooManyVersions",
        )
