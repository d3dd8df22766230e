"""What the fake answers about a bucket or an object besides what is in it: its region, versions, tags."""

from __future__ import annotations

from xml.sax.saxutils import escape

from tests.fakes.s3_answers import encoded, error, plain
from tests.fakes.s3_store import Bucket, Stored
from tests.fakes.s3_wire import Answer

_NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def _document(root: str, inside: str) -> Answer:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}{_NAMESPACE}>{inside}</{root}>'
    return Answer(headers={"Content-Type": "application/xml"}, body=text.encode("utf-8", "surrogateescape"))


def answer_location(bucket: Bucket) -> Answer:
    """us-east-1 is told as nothing."""
    return _document("LocationConstraint", "" if bucket.region == "us-east-1" else bucket.region)


def answer_tags(stored: Stored | None) -> Answer:
    if stored is None:
        return error(404, "NoSuchKey", "The specified key does not exist.")
    tags = "".join(
        f"<Tag><Key>{escape(name)}</Key><Value>{escape(value)}</Value></Tag>" for name, value in stored.tags.items()
    )
    return _document("Tagging", f"<TagSet>{tags}</TagSet>")


def answer_versions(bucket: Bucket, query: dict[str, bytes]) -> Answer:
    """Keys in order, versions of one key from the newest to the oldest; without a delimiter."""
    if query.get("delimiter"):
        return error(501, "NotImplemented", "Versions are listed here without a delimiter.")
    text = encoded if query.get("encoding-type") == b"url" else plain
    prefix, most = query.get("prefix", b""), min(1000, int(query.get("max-keys", b"1000")))
    found = [one for one in bucket.all_versions() if one[0].startswith(prefix)]
    if key_marker := query.get("key-marker"):
        marker = query.get("version-id-marker", b"").decode()
        at = next(
            (n for n, (key, one, _) in enumerate(found) if marker and (key, one.shown_version) == (key_marker, marker)),
            None,
        )
        found = found[at + 1 :] if at is not None else [one for one in found if one[0] > key_marker]
    page, more = found[:most], len(found) > most
    inside = f"<Name>{bucket.name}</Name><Prefix>{text(prefix)}</Prefix><MaxKeys>{most}</MaxKeys>"
    inside += "<EncodingType>url</EncodingType>" if text is encoded else ""
    inside += f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
    if more and page:
        inside += f"<NextKeyMarker>{text(page[-1][0])}</NextKeyMarker>"
        inside += f"<NextVersionIdMarker>{page[-1][1].shown_version}</NextVersionIdMarker>"
    return _document(
        "ListVersionsResult", inside + "".join(_version(text(key), stored, latest) for key, stored, latest in page)
    )


def _version(key: str, stored: Stored, latest: bool) -> str:
    known = (
        f"<Key>{key}</Key><VersionId>{stored.shown_version}</VersionId>"
        f"<IsLatest>{'true' if latest else 'false'}</IsLatest><LastModified>{stored.listed_modified}</LastModified>"
    )
    if stored.delete_marker:
        return f"<DeleteMarker>{known}</DeleteMarker>"
    return (
        f"<Version>{known}<ETag>&quot;{stored.etag}&quot;</ETag><Size>{stored.size}</Size>"
        f"<StorageClass>{stored.storage_class}</StorageClass></Version>"
    )
