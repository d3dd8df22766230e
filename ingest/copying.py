"""Copies of probed objects in a place of the operator's: hides what is asked for each, and whose fault a refusal is."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol
from urllib.parse import urlencode

import structlog

from config.errors import (
    AccessDeniedError,
    AccessLostError,
    BucketMissingError,
    ObjectChangedError,
    ObjectMissingError,
    RequestRefusedError,
    SourceError,
)
from credentials.kinds import BucketSpec
from ingest.catalog.assets import Asset
from ingest.catalog.knowing import Copied
from ingest.copy_place import CopyPlace
from ingest.model import Entry, ObjectHead
from ingest.once import Once
from ingest.probe.looking import ObjectSource
from ingest.probe.records import text
from ingest.s3.copying import Original
from ingest.s3.errors import uri
from ingest.s3.results import Written
from ingest.tagging import NO_TAGS, Tags

log = structlog.get_logger(__name__)

_KEY_MOST: Final = 1_024
"""Bytes of a key (S3 User Guide, "Naming Amazon S3 objects")."""
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_CARRIED: Final = ("content-encoding", "content-language", "content-disposition", "cache-control", "expires")
"""Headers that parts don't bring along."""
_OF_SOURCE: Final = ("s3:GetObject", "kms:Decrypt")
_OF_TARGET: Final = ("s3:PutObject", "kms:GenerateDataKey", "s3:AbortMultipartUpload")
_NEEDED: Final = (
    "s3:PutObject, s3:GetObject (what is done in parts is looked at) and kms:GenerateDataKey (for a key of KMS)"
)


class Copier(Protocol):
    """Copies into one bucket. `ingest.s3.copying.S3Copier` is one."""

    @property
    def bucket(self) -> str: ...

    async def copy(self, original: Original, key: bytes, *, tags: bool) -> Written: ...

    async def copy_in_parts(self, original: Original, key: bytes, *, headers: Mapping[str, str]) -> Written: ...


class Copies:
    """The step that copies one probed object."""

    def __init__(
        self,
        copier: Copier,
        place: CopyPlace,
        tags: Tags | None,
        *,
        earlier: Callable[[Entry], Awaitable[Copied | None]],
        bucket: str,
        connection: str,
        spec: BucketSpec,
        whole_most: int,
        denied_most: int,
        once: Once,
    ) -> None:
        """Objects of `bucket` through `connection`. `tags`: None if they stay behind. `earlier`: where exactly an object was copied to
        before. `whole_most`: above so many bytes it is done in
        parts. `denied_most`: so many objects in a row may be denied by the target before nothing more is tried.
        """
        self._copier, self._place, self._tags = copier, place, tags
        self._earlier = earlier
        self._bucket, self._connection, self._spec = bucket, connection, spec
        self._whole_most, self._denied_most, self._once = whole_most, denied_most, once
        self._denied = 0

    async def __call__(self, source: ObjectSource, entry: Entry, asset: Asset) -> Asset:
        """Raises SourceError that names the target, and AccessLostError if nothing at all may be written there."""
        if asset.state != "present":
            return asset
        key = self._place.key(self._bucket, entry.key, entry.version_id)
        lands = text(f"s3://{self._place.bucket}/{key.decode('utf-8', 'backslashreplace')}")
        before = await self._earlier(entry)  # something else may be why it is looked at again
        if before is not None and before.uri == lands and before.probed_version_id in (None, asset.probed_version_id):
            return asset._replace(copied_to=lands)
        try:
            await self._copy(source, self._original(entry, asset), key, asset)
        except (ObjectChangedError, ObjectMissingError):
            raise  # of the original: it is looked at again
        except SourceError as error:
            raise self._told(entry.key, key, error) from None
        self._denied = 0
        return asset._replace(copied_to=lands)

    async def _copy(self, source: ObjectSource, original: Original, key: bytes, asset: Asset) -> None:
        if len(key) > _KEY_MOST:
            raise RequestRefusedError(
                f"its key would have {len(key)} bytes, and S3's have at most {_KEY_MOST}",
                code="KeyTooLongError",
                why=f"its key would have {len(key)} bytes, and S3's have at most {_KEY_MOST}",
            )
        tags = None if asset.tags == NO_TAGS else self._tags
        try:
            written = await self._write(source, original, key, tags)
        except AccessDeniedError as denied:
            if tags is None or not _may_mean_tags(denied):
                raise
            written = await self._write(source, original, key, None)
            self._leave_tags(denied)
        difference = differs(asset, written)
        if difference:
            raise RequestRefusedError(difference, code="CopyDiffers", why=difference)

    async def _write(self, source: ObjectSource, original: Original, key: bytes, tags: Tags | None) -> Written:
        if original.size <= self._whole_most:
            return await self._copier.copy(original, key, tags=tags is not None)
        head = await source.head(original.key, if_match=original.etag or None, version_id=original.version_id or None)
        if original.probed and head.version_id not in ("", original.probed):
            raise ObjectChangedError(f"{uri(self._bucket, original.key)} is no longer the version that was probed")
        found = await self._tags_of(head, original, tags) if tags is not None else {}
        return await self._copier.copy_in_parts(original, key, headers=carried(head, found))

    async def _tags_of(self, head: ObjectHead, original: Original, tags: Tags) -> Mapping[str, str]:
        """Whoever may not read them is not told how many there are either."""
        if head.headers.get("x-amz-tagging-count") == "0":
            return {}
        try:
            return await tags.tags(original.key, probed=head.version_id, version_id=original.version_id)
        except RequestRefusedError as refused:
            if refused.code != "NoSuchTagSet":
                raise
            return {}

    def _leave_tags(self, denied: AccessDeniedError) -> None:
        """What follows is copied without them: it worked, so they were what was denied."""
        self._tags = None
        if self._once.first("copied tags"):
            log.warning(
                "objects are copied without their tags, which are denied",
                code=denied.code,
                reason=str(denied.fields.get("why") or denied.message),
                mend=f"grant s3:GetObjectTagging (of versions s3:GetObjectVersionTagging) on s3://{self._bucket}/ and "
                f"s3:PutObjectTagging on {self._place.uri}",
                all_of_it=f"longshore policy access {self._connection} --tags --copy-to {self._place.asked}",
            )

    def _original(self, entry: Entry, asset: Asset) -> Original:
        return Original(
            bucket=self._bucket,
            key=entry.key,
            size=entry.size,
            etag=entry.etag,
            version_id=entry.version_id,
            probed=asset.probed_version_id or "",
            checksum_algorithm=asset.checksum_algorithm or "",
            checksum=asset.checksum or "",
            checksum_type=asset.checksum_type or "",
            requester_pays=self._spec.requester_pays,
            expected_owner=self._spec.expected_owner,
        )

    def _told(self, key: bytes, target: bytes, error: SourceError) -> SourceError | AccessLostError:
        """The same, said of both ends. What the target denies is no denial of the original, and is looked at by nobody else."""
        what = f"COPY {uri(self._bucket, key)} to {uri(self._place.bucket, target)}"
        why = str(error.fields.get("why") or error.message).rstrip(".")
        fields = {**error.fields, "code": error.code}
        if isinstance(error, BucketMissingError):
            next_ = f"Make the bucket {self._place.bucket}, or let LONGSHORE_COPY_TARGETS name another one"
            return BucketMissingError(f"{what}: {why}. {next_}.", **fields)
        if not isinstance(error, AccessDeniedError):
            return type(error)(f"{what}: {why}.", **fields)
        if _is_of_source(why):
            return AccessDeniedError(
                f"{what}: the original is denied: {why}. Grant {' and '.join(_OF_SOURCE)} on it to the connection's role.",
                **fields,
            )
        self._denied += 1
        place = self._place.uri
        mend = (
            f"Grant {_NEEDED} on {place} to whoever reads through connection "
            f"{self._connection!r}: by the role's own policy, which `longshore policy access {self._connection} --copy-to "
            f"{self._place.asked}` prints, and by the policy of the bucket {self._place.bucket}"
        )
        if self._denied >= self._denied_most:
            return AccessLostError(
                f"{self._denied} objects in a row could not be copied to {place}: {why}. {mend}.", code="CopyDenied"
            )
        return RequestRefusedError(f"{what}: the target is denied: {why}. {mend}.", **(fields | {"code": "CopyDenied"}))


def carried(head: ObjectHead, tags: Mapping[str, str]) -> dict[str, str]:
    """What an upload in parts is told of the original, since nothing of it comes along by itself."""
    headers = {name: head.headers[name] for name in _CARRIED if name in head.headers}
    headers |= {f"x-amz-meta-{name}": value for name, value in head.metadata.items()}
    if head.content_type:
        headers["content-type"] = head.content_type
    if tags:
        headers["x-amz-tagging"] = urlencode(tags)
    return headers


def differs(asset: Asset, written: Written) -> str:
    """Why a copy is not its original; empty if it is, or if nobody can tell. Checksums of whole objects decide, else ETags that are MD5s."""
    kind = (asset.checksum_algorithm, asset.checksum_type)
    if asset.checksum and kind == (written.checksum_algorithm, written.checksum_type) and kind[1] == "FULL_OBJECT":
        same = asset.checksum == written.checksum
        return "" if same else f"the copy's {kind[0]} is {written.checksum}, and the original's {asset.checksum}"
    encryption = json.loads(asset.headers or "{}").get("x-amz-server-side-encryption", "")
    if _is_md5(asset.etag, encryption) and _is_md5(written.etag, written.encryption) and asset.etag != written.etag:
        return f"the copy's MD5 is {written.etag}, and the original's {asset.etag}"
    return ""


def _is_md5(etag: str, encryption: str) -> bool:
    """Of the whole object: not that of an upload in parts, nor of one under a key of KMS."""
    return _MD5.fullmatch(etag) is not None and encryption in ("", "AES256")


def _may_mean_tags(denied: AccessDeniedError) -> bool:
    """Whether the storage refused without a word on what, or named tags. Between accounts it names nothing."""
    why = str(denied.fields.get("why") or denied.message)
    named = any(action in why for action in ("s3:", "kms:")) and "Tagging" not in why
    return denied.code == "AccessDenied" and denied.fields.get("status") == 403 and not named


def _is_of_source(why: str) -> bool:
    """Whether the storage says that it was reading what it refused. Between accounts it often says no more than that it refuses;
    the original was read a moment ago, so it means the target then.
    """
    return any(action in why for action in _OF_SOURCE) and not any(action in why for action in _OF_TARGET)
