"""Reads the small XML answers of S3: an object's tags, and what became of a copy. Hides namespaces and every way in which they may lie.

Source: GetObjectTagging, CopyObject, UploadPartCopy, CreateMultipartUpload and CompleteMultipartUpload in the Amazon S3 API Reference.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from xml.etree.ElementTree import Element

from config.errors import ProtocolError
from ingest.s3.xml import bare_etag

ALGORITHMS: Final = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
"""Of checksums that S3 can reckon."""
_TAGS_MOST: Final = 50
"""S3 itself keeps 10 on an object; servers like it may keep more."""
_KEY_MOST: Final = 128
_VALUE_MOST: Final = 256
_ID_MOST: Final = 2_048


class Written(NamedTuple):
    """What a storage says of an object that it wrote, or of a part of one. Empty where it says nothing."""

    etag: str
    checksum_algorithm: str = ""
    checksum: str = ""
    """Base64, as sent."""
    checksum_type: str = ""
    encryption: str = ""
    """x-amz-server-side-encryption."""


def read_tags(root: Element) -> dict[str, str]:
    """The tags of an object, sorted by name. Raises ProtocolError for more, or longer ones, than S3 keeps, and for what is no answer."""
    namespace = _checked(root, "Tagging")
    sets = root.findall(f"{namespace}TagSet")
    if len(sets) != 1:
        raise ProtocolError("the answer holds no set of tags, or several")
    tags: dict[str, str] = {}
    for number, item in enumerate(sets[0]):
        if item.tag != f"{namespace}Tag":
            raise ProtocolError(f"a set of tags holds a <{_local(item.tag)[:40]}>")
        name, value = (_once(item, f"{namespace}{field}") for field in ("Key", "Value"))
        if not name or value is None or name in tags:
            raise ProtocolError("a tag lacks its key or its value, or comes twice")
        if number >= _TAGS_MOST or len(name) > _KEY_MOST or len(value) > _VALUE_MOST:
            raise ProtocolError(
                f"S3 keeps no more than {_TAGS_MOST} tags of {_KEY_MOST} and {_VALUE_MOST} characters, and the answer has"
            )
        tags[name] = value
    return dict(sorted(tags.items()))


def read_written(root: Element, name: str) -> Written:
    """A `name` (CopyObjectResult, CopyPartResult or CompleteMultipartUploadResult). Raises ProtocolError if it is none, or has no ETag."""
    namespace = _checked(root, name)
    etag = bare_etag(_once(root, f"{namespace}ETag") or "")
    if not etag:
        raise ProtocolError(f"the <{name}> carries no ETag")
    found = {one: _once(root, f"{namespace}Checksum{one}") for one in ALGORITHMS}
    algorithm = next((one for one, value in found.items() if value), "")
    kind = _once(root, f"{namespace}ChecksumType") or ""
    return Written(etag, algorithm, found.get(algorithm) or "", kind)


def read_upload_id(root: Element) -> str:
    """The ID of an upload that was begun. Raises ProtocolError."""
    upload = _once(root, f"{_checked(root, 'InitiateMultipartUploadResult')}UploadId")
    if not upload or len(upload) > _ID_MOST:
        raise ProtocolError("the answer carries no ID of the upload that was begun")
    return upload


def _checked(root: Element, name: str) -> str:
    """The namespace, `{...}` or empty, of a root that has this name."""
    local = _local(root.tag)
    if local != name:
        raise ProtocolError(f"the answer is a <{local[:40]}>, not a <{name}>")
    return root.tag[: -len(local)]


def _local(tag: str) -> str:
    return tag[tag.rfind("}") + 1 :]


def _once(item: Element, tag: str) -> str | None:
    found = item.findall(tag)
    if len(found) > 1:
        raise ProtocolError(f"the answer says {_local(tag)} twice")
    return (found[0].text or "") if found else None
