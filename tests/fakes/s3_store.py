"""Buckets in memory: what S3 keeps, and how it lists it."""

from __future__ import annotations

import base64
import hashlib
import zlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from tests.fakes.iam import check

ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(slots=True, kw_only=True)
class Stored:
    """One object (one version of it)."""

    body: bytes = b""
    size: int
    etag: str
    modified: datetime
    """With milliseconds: LIST shows them, HEAD does not."""
    content_type: str = "binary/octet-stream"
    storage_class: str = "STANDARD"
    version_id: str = ""
    checksum_algorithm: str = ""
    checksum_type: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers of HEAD and GET."""
    tags: dict[str, str] = field(default_factory=dict)
    owner: str = ""
    """The account that wrote it; empty: the bucket's."""
    kms_key: str = ""
    """The ARN of the key that it is encrypted with."""
    delete_marker: bool = False

    @property
    def shown_version(self) -> str:
        return self.version_id or "null"

    @property
    def listed_modified(self) -> str:
        return self.modified.strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.modified.microsecond // 1000:03d}Z"

    @property
    def head_modified(self) -> str:
        return self.modified.strftime("%a, %d %b %Y %H:%M:%S GMT")

    @property
    def checksum(self) -> str:
        if self.checksum_algorithm == "CRC32":
            return base64.b64encode(zlib.crc32(self.body).to_bytes(4, "big")).decode()
        return base64.b64encode(hashlib.sha256(self.body).digest()).decode()

    @property
    def away(self) -> bool:
        """Whether it must be restored before it can be read."""
        restored = 'ongoing-request="false"' in self.headers.get("x-amz-restore", "")
        return (self.storage_class in ARCHIVED or "x-amz-archive-status" in self.headers) and not restored

    def content(self, first: int, last: int) -> bytes:
        """Bytes `first..last`; what lies behind the body given is zeros."""
        part = self.body[first : last + 1]
        return part + bytes(last + 1 - first - len(part))


@dataclass(slots=True, kw_only=True)
class Bucket:
    name: str
    region: str = "us-east-1"
    owner: str = "111122223333"
    account: str | None = None
    """Whose it is, and who else may only by its policy; None, with no policy either: any account may by its own policies."""
    policy: dict[str, Any] | None = None
    ownership: Literal["BucketOwnerEnforced", "ObjectWriter"] = "BucketOwnerEnforced"
    kms_key: str = ""
    """The ARN of the key that what is written is encrypted under, unless the request says otherwise."""
    requester_pays: bool = False
    versioned: bool = False
    cors: list[dict[str, Any]] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    objects: dict[bytes, Stored] = field(default_factory=dict)
    versions: dict[tuple[bytes, str], Stored] = field(default_factory=dict)
    """From the oldest to the newest."""
    numbered: int = 0
    """Versions so far."""

    def __post_init__(self) -> None:
        self.owner = self.account or self.owner
        if self.policy is not None:
            check(self.policy, principal=True)

    @property
    def reckoned(self) -> str | None:
        """The account whose principals need no bucket policy; None: nobody needs one."""
        return self.owner if self.policy is not None else self.account

    def stranger(self, stored: Stored) -> str:
        """The other account whose object this is, over which the bucket's policy has no power."""
        return stored.owner if self.ownership == "ObjectWriter" and stored.owner not in ("", self.owner) else ""

    def find(self, key: bytes, version: str = "") -> Stored | None:
        if version == "null":
            found = self.objects.get(key)
            return found if found is not None and not found.version_id else self.versions.get((key, ""))
        return self.versions.get((key, version)) if version else self.objects.get(key)

    def all_versions(self) -> list[tuple[bytes, Stored, bool]]:
        """Key, version, and whether it is the newest: keys in order, the newest first."""
        of_keys: dict[bytes, list[Stored]] = {key: [one] for key, one in self.objects.items() if not one.version_id}
        for (key, _), one in self.versions.items():
            of_keys.setdefault(key, []).insert(0, one)
        return [(key, one, one is of_keys[key][0]) for key in sorted(of_keys) for one in of_keys[key]]

    def put(self, key: bytes, stored: Stored) -> None:
        if key not in self.objects:
            insort(self.keys, key)
        self._store(key, stored)

    def put_many(self, items: Iterable[tuple[bytes, Stored]]) -> None:
        for key, stored in items:
            self._store(key, stored)
        self.keys = sorted(self.objects)

    def _store(self, key: bytes, stored: Stored) -> None:
        before = self.objects.get(key)
        if self.versioned and before is not None and not before.version_id:
            self.versions[key, ""] = before  # from before versions were kept
        if self.versioned and not stored.version_id:
            stored.version_id = self._next_version()
        self.objects[key] = stored
        if stored.version_id:
            self.versions[key, stored.version_id] = stored

    def delete(self, key: bytes) -> None:
        """Where versions are kept, a marker says that it is gone."""
        before = self.objects.pop(key, None)
        if before is not None:
            del self.keys[bisect_left(self.keys, key)]
        if self.versioned:
            if before is not None and not before.version_id:
                self.versions[key, ""] = before
            marker = new_object(version_id=self._next_version())
            marker.delete_marker = True
            self.versions[key, marker.version_id] = marker

    def delete_version(self, key: bytes, version: str) -> None:
        """For good. What came before it is the newest then."""
        gone = self.find(key, version)
        if gone is None:
            return
        self.versions.pop((key, gone.version_id), None)
        if self.objects.pop(key, None) is not None:
            del self.keys[bisect_left(self.keys, key)]
        left = [one for (name, _), one in self.versions.items() if name == key]
        if left and not left[-1].delete_marker:
            insort(self.keys, key)
            self.objects[key] = left[-1]

    def _next_version(self) -> str:
        self.numbered += 1
        return f"fake.version.{self.numbered:06d}"

    def deleted(self, key: bytes) -> Stored | None:
        """The marker that hides it."""
        newest = next((one for (name, _), one in reversed(self.versions.items()) if name == key), None)
        return newest if newest is not None and newest.delete_marker else None


@dataclass(slots=True, kw_only=True)
class Listed:
    """One LIST answer before it is written as XML; faults change it here."""

    bucket: str
    prefix: bytes
    delimiter: bytes
    max_keys: int
    start_after: bytes | None
    token: str | None
    entries: list[tuple[bytes, Stored]] = field(default_factory=list)
    common_prefixes: list[bytes] = field(default_factory=list)
    truncated: bool = False
    next_token: str | None = None
    key_count: int = 0


def new_object(
    body: bytes = b"",
    *,
    size: int | None = None,
    etag: str | None = None,
    modified: datetime | None = None,
    content_type: str = "binary/octet-stream",
    storage_class: str = "STANDARD",
    version_id: str = "",
    checksum_algorithm: str = "",
    checksum_type: str = "",
    metadata: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
    owner: str = "",
    kms_key: str = "",
) -> Stored:
    """`size` may be larger than the body (zeros follow); the ETag is the MD5 unless given."""
    return Stored(
        body=body,
        size=len(body) if size is None else size,
        etag=hashlib.md5(body).hexdigest() if etag is None else etag,
        modified=modified or datetime.now(UTC),
        content_type=content_type,
        storage_class=storage_class,
        version_id=version_id,
        checksum_algorithm=checksum_algorithm,
        checksum_type=checksum_type or ("FULL_OBJECT" if checksum_algorithm else ""),
        metadata=metadata or {},
        headers=headers or {},
        tags=tags or {},
        owner=owner,
        kms_key=kms_key,
    )


def list_bucket(bucket: Bucket, listed: Listed) -> None:
    """Fill `listed` as ListObjectsV2 does. Raises ValueError for a token that we never gave."""
    at = _begin(bucket.keys, listed)
    while at < len(bucket.keys) and bucket.keys[at].startswith(listed.prefix):
        key = bucket.keys[at]
        if len(listed.entries) + len(listed.common_prefixes) >= listed.max_keys:
            listed.truncated = True
            listed.next_token = _token(listed)
            break
        end = key.find(listed.delimiter, len(listed.prefix)) if listed.delimiter else -1
        if end < 0:
            listed.entries.append((key, bucket.objects[key]))
            at += 1
        else:
            folder = key[: end + len(listed.delimiter)]
            listed.common_prefixes.append(folder)
            at = _behind(bucket.keys, folder, at)
    listed.key_count = len(listed.entries) + len(listed.common_prefixes)


def _begin(keys: list[bytes], listed: Listed) -> int:
    first = bisect_left(keys, listed.prefix)
    if listed.token is not None:
        kind, last = listed.token[:1], base64.urlsafe_b64decode(listed.token[1:])
        if kind not in {"k", "p"}:
            raise ValueError("not a token of ours")
        return max(first, bisect_right(keys, last) if kind == "k" else _behind(keys, last, 0))
    return first if listed.start_after is None else max(first, bisect_right(keys, listed.start_after))


def _behind(keys: list[bytes], folder: bytes, lo: int) -> int:
    """The index of the first key behind all that begin with `folder`."""
    while folder and folder[-1] == 0xFF:
        folder = folder[:-1]
    return bisect_left(keys, folder[:-1] + bytes([folder[-1] + 1]), lo) if folder else len(keys)


def _token(listed: Listed) -> str:
    last_key = listed.entries[-1][0] if listed.entries else b""
    last_folder = listed.common_prefixes[-1] if listed.common_prefixes else b""
    kind, last = ("p", last_folder) if last_folder > last_key else ("k", last_key)
    return kind + base64.urlsafe_b64encode(last).decode()
