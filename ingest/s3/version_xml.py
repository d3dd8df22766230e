"""Reads a page of versions, element by element; hides how a server writes them. Source: ListObjectVersions, Amazon S3 API Reference."""

from __future__ import annotations

from itertools import pairwise
from xml.etree.ElementTree import (
    Element,
)

from config.errors import ProtocolError
from ingest.model import Entry, Page
from ingest.s3.xml import VERSIONS, entry_of, is_truncated, name_of, once, read_frame, readings, split
from ingest.versions import Marker, VersionEntries


def read_versions(root: Element, *, bucket: str, prefix: bytes, body: bytes) -> Page:
    """A page as the server wrote it, consistent in itself; `next_token` is a Marker's. Whether it fits its place in the listing is not
    looked at here.

    `body` is what `root` was read from. Raises ProtocolError.
    """
    encoded = read_frame(root, bucket=bucket, prefix=prefix, body=body, kind=VERSIONS)
    namespace, _ = split(root.tag)
    readers = {namespace + "Version": _version, namespace + "DeleteMarker": _delete_marker}
    if root.find(namespace + "CommonPrefixes") is not None:
        raise ProtocolError("the answer names folders, which were not asked for")
    entries = [readers[item.tag](item, namespace, encoded=encoded) for item in root if item.tag in readers]
    entries = _together(entries)
    marker = _next(root, namespace, entries, encoded=encoded)
    return Page(entries=VersionEntries.of(entries), next_token=None if marker is None else marker.token)


def _version(item: Element, namespace: str, *, encoded: bool) -> Entry:
    return entry_of(item, namespace, encoded=encoded)._replace(
        version_id=_version_id(item, namespace), is_latest=_is_latest(item, namespace)
    )


def _delete_marker(item: Element, namespace: str, *, encoded: bool) -> Entry:
    modified = item.findtext(namespace + "LastModified")
    if not modified:
        raise ProtocolError("a delete marker lacks its time")
    return Entry(
        key=name_of(item, namespace + "Key", encoded=encoded),
        size=0,
        etag="",
        last_modified=modified,
        storage_class="",
        version_id=_version_id(item, namespace),
        is_latest=_is_latest(item, namespace),
        is_delete_marker=True,
    )


def _version_id(item: Element, namespace: str) -> str:
    version_id = item.findtext(namespace + "VersionId")
    if not version_id:
        raise ProtocolError("a listed version has no ID")
    return version_id


def _is_latest(item: Element, namespace: str) -> bool:
    latest = item.findtext(namespace + "IsLatest")
    if latest not in {"true", "false"}:
        raise ProtocolError("a listed version does not say whether it is the latest")
    return latest == "true"


def _together(entries: list[Entry]) -> list[Entry]:
    """In the order of keys. Some servers (moto) name all versions of a page first, and then its delete markers."""
    kinds = [entry.is_delete_marker for entry in entries]
    grouped = kinds == sorted(kinds) and kinds[:1] != kinds[-1:]
    if not grouped or all(one.key <= other.key for one, other in pairwise(entries)):
        return entries
    for kind in (False, True):
        keys = [entry.key for entry in entries if entry.is_delete_marker is kind]
        if keys != sorted(keys):
            return entries  # in no order at all: whoever checks the page says so
    return sorted(entries, key=lambda entry: entry.key)


def _next(root: Element, namespace: str, entries: list[Entry], *, encoded: bool) -> Marker | None:
    if not is_truncated(root, namespace):
        return None
    key, version_id = once(root, namespace + "NextKeyMarker"), once(root, namespace + "NextVersionIdMarker")
    if not key or not version_id:
        raise ProtocolError("the answer is truncated but carries no markers to go on with")
    meant = list(readings(key, encoded=encoded))
    listed = max((entry.key for entry in entries), default=b"")
    return Marker(listed if listed in meant else meant[-1], version_id)
