"""How the fake S3 lists versions: pages that may end in the midst of a key, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.s3_answers import Dialect, encoded, error, plain
from tests.fakes.s3_faults import Fault
from tests.fakes.s3_store import Bucket, Stored, new_object
from tests.fakes.s3_subresources import document
from tests.fakes.s3_wire import Answer

Version = tuple[bytes, Stored, bool]
"""Its key, and whether it is the latest."""
Marker = tuple[bytes, str]


@dataclass(slots=True, kw_only=True)
class Listed:
    """One answer before it is written as XML; faults change it here."""

    bucket: str
    prefix: bytes
    most: int
    asked: Marker
    """Key and version behind which to begin; empty: not said."""
    page: list[Version]
    truncated: bool
    next: Marker


def answer_versions(bucket: Bucket, query: dict[str, bytes], dialect: Dialect, fault: Fault | None) -> Answer:
    """Keys in order, versions of one key from the newest to the oldest; without a delimiter."""
    if query.get("delimiter"):
        return error(501, "NotImplemented", "Versions are listed here without a delimiter.")
    prefix, most = query.get("prefix", b""), min(1000, int(query.get("max-keys", b"1000")))
    asked = query.get("key-marker", b""), query.get("version-id-marker", b"").decode()
    found = _behind([one for one in bucket.all_versions() if one[0].startswith(prefix)], asked, dialect)
    page, truncated = found[:most], len(found) > most
    last = (page[-1][0], page[-1][1].shown_version) if truncated and page else (b"", "")
    listed = Listed(
        bucket=bucket.name, prefix=prefix, most=most, asked=asked, page=page, truncated=truncated, next=last
    )
    if fault is not None:
        _spoil(fault, listed)
    encode = query.get("encoding-type") == b"url" and not dialect.ignore_encoding
    root = "ListAllMyVersions" if fault is not None and fault.kind == "wrong_root" else "ListVersionsResult"
    return document(root, _inside(listed, encode=encode))


def _behind(found: list[Version], asked: Marker, dialect: Dialect) -> list[Version]:
    key, version = asked
    if version:
        at = next((n for n, (name, one, _) in enumerate(found) if (name, one.shown_version) == asked), None)
        return [one for one in found if one[0] > key] if at is None else found[at + 1 :]
    return [one for one in found if one[0] > key] if key and not dialect.ignore_start_after else found


def _spoil(fault: Fault, listed: Listed) -> None:
    first = listed.page[0] if listed.page else (b"", new_object(), False)
    spoilers: dict[str, Callable[[], None]] = {
        "repeat_token": lambda: _set(listed, truncated=True, next=listed.asked, page=[]),
        "backwards": lambda: _set(listed, truncated=True, next=(b"\x01", "null"), page=[]),
        "no_token": lambda: _set(listed, truncated=True, next=(b"", "")),
        "unordered": listed.page.reverse,
        "duplicate_key": lambda: listed.page.insert(0, first),
        "foreign_key": lambda: listed.page.insert(0, (b"\x01 elsewhere", new_object(version_id="x"), True)),
        "wrong_name": lambda: _set(listed, bucket=listed.bucket + "-other"),
        "wrong_prefix": lambda: _set(listed, prefix=listed.prefix + b"other"),
        "markers_last": lambda: listed.page.sort(key=lambda one: one[1].delete_marker),
    }
    if fault.kind in spoilers:
        spoilers[fault.kind]()


def _set(listed: Listed, **fields: object) -> None:
    for name, value in fields.items():
        setattr(listed, name, value)


def _inside(listed: Listed, *, encode: bool) -> str:
    text = encoded if encode else plain
    (key, version), (after, after_version) = listed.next, listed.asked
    inside = f"<Name>{listed.bucket}</Name><Prefix>{text(listed.prefix)}</Prefix><MaxKeys>{listed.most}</MaxKeys>"
    inside += f"<KeyMarker>{text(after)}</KeyMarker><VersionIdMarker>{after_version}</VersionIdMarker>"
    inside += "<EncodingType>url</EncodingType>" if encode else ""
    inside += f"<IsTruncated>{'true' if listed.truncated else 'false'}</IsTruncated>"
    if key or version:
        inside += f"<NextKeyMarker>{text(key)}</NextKeyMarker><NextVersionIdMarker>{version}</NextVersionIdMarker>"
    return inside + "".join(_version(text(name), stored, latest=latest) for name, stored, latest in listed.page)


def _version(key: str, stored: Stored, *, latest: bool) -> str:
    known = (
        f"<Key>{key}</Key><VersionId>{stored.shown_version}</VersionId>"
        f"<IsLatest>{'true' if latest else 'false'}</IsLatest><LastModified>{stored.listed_modified}</LastModified>"
    )
    if stored.delete_marker:
        return f"<DeleteMarker>{known}</DeleteMarker>"
    checksum = ""
    if stored.checksum_algorithm:
        checksum = f"<ChecksumAlgorithm>{stored.checksum_algorithm}</ChecksumAlgorithm>"
        checksum += f"<ChecksumType>{stored.checksum_type}</ChecksumType>"
    return (
        f"<Version>{known}<ETag>&quot;{stored.etag}&quot;</ETag>{checksum}<Size>{stored.size}</Size>"
        f"<StorageClass>{stored.storage_class}</StorageClass></Version>"
    )
