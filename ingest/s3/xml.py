"""Reads the XML of S3: listings and errors. Hides encodings, namespaces and every way in which a document may lie.

Source: ListObjectsV2 and "Error responses" in the Amazon S3 API Reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes
from xml.etree.ElementTree import (
    Element,
    ParseError,
    XMLParser,
    fromstring,
)

from config.errors import ProtocolError
from ingest.model import Entries, Entry, Page

SIZE_DIGITS = 18
"""More would not fit into the 64 bits of a column; S3 ends at 14."""
TAGS_MOST = 64 * 1100
"""In a listing. A page has 1,000 objects, each of which is some 20 tags; a tree of millions of elements is never built."""
_LEAST_TAG = len("<a/>")
LISTED = frozenset({"contents", "commonprefixes"})
_LISTED_OF_VERSIONS = frozenset({*LISTED, "version", "deletemarker"})
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_RAW_RETURN = re.compile(rb"<(?:Key|Prefix)>[^<]*\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of listing: the names of its root and of what stands directly below it."""

    root: str
    listed: tuple[str, ...]
    reserved: frozenset[str] = LISTED
    """Names, in lower case, that stand nowhere else."""


OBJECTS = Kind(root="ListBucketResult", listed=("Contents", "CommonPrefixes"))
VERSIONS = Kind(
    root="ListVersionsResult", listed=("Version", "DeleteMarker", "CommonPrefixes"), reserved=_LISTED_OF_VERSIONS
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDocument:
    """What an <Error> says; empty where it says nothing."""

    code: str = ""
    message: str = ""
    region: str = ""
    request_id: str = ""
    object_size: str = ""
    """ActualObjectSize, of an InvalidRange."""


def read_error(body: bytes) -> ErrorDocument:
    """What the body says if it is an S3 error, else nothing. Never raises."""
    try:
        root = _parse(body)
    except ProtocolError:
        return ErrorDocument()
    if not is_error(root):
        return ErrorDocument()
    namespace, _ = split(root.tag)

    def text(field: str) -> str:
        return (root.findtext(namespace + field) or "").strip()

    return ErrorDocument(
        code=text("Code"),
        message=text("Message"),
        region=text("Region"),
        request_id=text("RequestId"),
        object_size=text("ActualObjectSize"),
    )


def is_error(root: Element) -> bool:
    """Whether this document, under whatever status it came, is an error."""
    return split(root.tag)[1] == "Error"


def read_document(body: bytes) -> Element:
    """The root of a whole, harmless document. Raises ProtocolError that says what is wrong with it, not where it came from."""
    if not body.strip():
        raise ProtocolError("the answer is empty")
    return _parse(body)


def check_tags(body: bytes) -> None:
    """Whether a listing may be parsed at all, seen before that costs time and memory. Raises ProtocolError."""
    if len(body) > TAGS_MOST * _LEAST_TAG and body.count(b"<") > TAGS_MOST:
        raise ProtocolError(f"the answer has more than {TAGS_MOST} tags, which no page of a listing has")


def read_listing(root: Element, *, bucket: str, prefix: bytes, body: bytes) -> Page:
    """A page as the server wrote it, consistent in itself; whether it fits its place in the listing is not looked at here.

    `body` is what `root` was read from. Raises ProtocolError.
    """
    encoded = read_frame(root, bucket=bucket, prefix=prefix, body=body)
    namespace, _ = split(root.tag)
    entries = Entries.of(entry_of(item, namespace, encoded=encoded) for item in root.iterfind(namespace + "Contents"))
    common = [
        name_of(item, namespace + "Prefix", encoded=encoded) for item in root.iterfind(namespace + "CommonPrefixes")
    ]
    return framed(root, entries=entries, common_prefixes=common)


def read_frame(root: Element, *, bucket: str, prefix: bytes, body: bytes, kind: Kind = OBJECTS) -> bool:
    """Whether names are percent-encoded, in an answer to what was asked. Does not look at what is listed.

    `body` is what `root` was read from. Raises ProtocolError.
    """
    namespace, name = split(root.tag)
    if name != kind.root:
        raise ProtocolError(f"the answer is a <{name[:40]}>, not a <{kind.root}>")
    encoded = once(root, namespace + "EncodingType") == "url"
    if not encoded and _RAW_RETURN.search(body):
        raise ProtocolError(
            "a key holds a carriage return and the server does not encode keys, so the key can't be known"
        )
    _check_places(root, namespace, kind)
    _check_echo(root, namespace, bucket=bucket, prefix=prefix, encoded=encoded)
    return encoded


def framed(root: Element, *, entries: Entries, common_prefixes: list[bytes]) -> Page:
    """What is listed, with what the frame says of its number and of how to go on. Raises ProtocolError."""
    namespace, _ = split(root.tag)
    listed = len(entries) + len(common_prefixes)
    count = once(root, namespace + "KeyCount")
    if count is not None and count != str(listed):
        raise ProtocolError(f"KeyCount is {count[:20]} but {listed} are listed")
    return Page(entries=entries, common_prefixes=common_prefixes, next_token=_next_token(root, namespace))


def _check_places(root: Element, namespace: str, kind: Kind) -> None:
    """What is listed stands below the root and is named as S3 names it; elsewhere it would be overlooked, and the page pass for empty."""
    known = {namespace + name for name in kind.listed}
    strange = {tag for tag in {item.tag for item in root.iter()} - known if split(tag)[1].lower() in kind.reserved}
    deeper = any(len(list(root.iter(tag))) != len(root.findall(tag)) for tag in known)
    if strange or deeper:
        raise ProtocolError("objects are listed where, or under a name or namespace, that S3 does not list them")


def _check_echo(root: Element, namespace: str, *, bucket: str, prefix: bytes, encoded: bool) -> None:
    name = once(root, namespace + "Name")
    if name not in (None, bucket):
        raise ProtocolError(f"the answer lists the bucket {(name or '')[:80]!r}")
    echoed = once(root, namespace + "Prefix")
    if echoed is not None and prefix not in readings(echoed, encoded=encoded):
        raise ProtocolError(f"the answer lists the prefix {echoed[:80]!r}")


def readings(text: str, *, encoded: bool) -> Iterator[bytes]:
    """A name as it stands, since some servers encode keys but echo what was asked as it came; and decoded."""
    yield text.encode()
    if encoded:
        yield _decode(text, encoded=True)


def is_truncated(root: Element, namespace: str) -> bool:
    """Raises ProtocolError if the answer does not say so."""
    truncated = once(root, namespace + "IsTruncated")
    if truncated not in {"true", "false"}:
        raise ProtocolError("the answer does not say whether it is truncated")
    return truncated == "true"


def _next_token(root: Element, namespace: str) -> str | None:
    if not is_truncated(root, namespace):
        return None
    token = once(root, namespace + "NextContinuationToken")
    if not token:
        raise ProtocolError("the answer is truncated but carries no token to go on with")
    return token


def entry_of(item: Element, namespace: str, *, encoded: bool) -> Entry:
    """What an element says of one object. Raises ProtocolError."""
    size = item.findtext(namespace + "Size") or ""
    modified = item.findtext(namespace + "LastModified")
    if not (size.isascii() and size.isdigit()) or len(size) > SIZE_DIGITS or not modified:
        raise ProtocolError("a listed object lacks its size or its time")
    algorithms = item.findall(namespace + "ChecksumAlgorithm")
    return Entry(
        key=name_of(item, namespace + "Key", encoded=encoded),
        size=int(size),
        etag=bare_etag(item.findtext(namespace + "ETag") or ""),
        last_modified=modified,
        storage_class=item.findtext(namespace + "StorageClass") or "STANDARD",
        checksum_algorithm=",".join(one.text or "" for one in algorithms) if algorithms else "",
        checksum_type=item.findtext(namespace + "ChecksumType") or "",
    )


def name_of(item: Element, tag: str, *, encoded: bool) -> bytes:
    """The key or prefix that an element names. Raises ProtocolError."""
    text = item.findtext(tag)
    if not text:
        raise ProtocolError("a listed object or prefix has no name")
    return _decode(text, encoded=encoded)


def _decode(text: str, *, encoded: bool) -> bytes:
    if not encoded or ("%" not in text and "+" not in text):
        return text.encode()
    if _LONE_PERCENT.search(text):
        raise ProtocolError("the server says that keys are encoded, but one is not")
    return unquote_to_bytes(text.replace("+", " "))


def bare_etag(text: str) -> str:
    """Without quotes and the mark of weakness that some servers add."""
    return text.strip().removeprefix("W/").strip('"')


def once(root: Element, tag: str) -> str | None:
    """The text of a child, empty if it is empty; None if there is none."""
    found = root.findall(tag)
    if len(found) > 1:
        raise ProtocolError(f"the answer says {split(tag)[1]} twice")
    return (found[0].text or "") if found else None


def split(tag: str) -> tuple[str, str]:
    """`{namespace}` (may be empty) and local name."""
    end = tag.rfind("}") + 1
    return tag[:end], tag[end:]


def _parse(body: bytes) -> Element:
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body or b"\0" in body:
        # NUL stands in every UTF-16 document, where the words would not be found; other encodings are overruled below
        raise ProtocolError("the answer is not plain XML")
    try:
        return fromstring(body, parser=XMLParser(encoding="utf-8"))  # noqa: S314 - no DOCTYPE, so no entities
    except ParseError as error:
        raise ProtocolError(f"the answer is not XML, or only a part of it ({error})") from None
