"""Tags of probed objects: hides that a count which is missing may mean that there are none, or that nobody is told."""

from __future__ import annotations

import asyncio
import json
from typing import Protocol

import structlog

from config.errors import AccessDeniedError, OutOfScopeError, RequestRefusedError
from credentials.connection import Connection
from credentials.kinds import RoleSpec
from ingest.catalog.assets import Asset
from ingest.model import Entry
from ingest.once import Once
from ingest.probe.looking import ObjectSource
from ingest.probe.records import text

log = structlog.get_logger(__name__)

_COUNT = "x-amz-tagging-count"
NO_TAGS = "{}"
"""What a record says of an object that has none."""


class Tags(Protocol):
    """Reads the tags of objects of one bucket. `ingest.s3.tagging.S3Tags` is one."""

    async def tags(self, key: bytes, *, probed: str = "", version_id: str = "") -> dict[str, str]: ...


def check_tags(connection: Connection) -> None:
    """Whether a job may ask for tags through this connection. Raises OutOfScopeError: what reads no buckets has none, and a
    role's sessions are narrowed to what it says.
    """
    spec = connection.bucket_spec
    if isinstance(spec, RoleSpec) and not spec.tags:
        raise OutOfScopeError(
            f"tags: connection {connection.name!r} says that no tags are wanted, so its sessions may not read them; `longshore "
            f"connections update {connection.name} --tags` changes that, and `longshore policy access {connection.name} --tags` "
            "prints what the role must be allowed then"
        )


class Tagging:
    """The step that asks for the tags of one probed object, of one source.

    S3 tells how many there are with an object's headers, but only whoever may read them: so where the number is missing, the first
    object of a source is asked to find out what that means.
    """

    def __init__(self, tags: Tags, *, bucket: str, connection: str, once: Once) -> None:
        self._tags, self._bucket, self._connection, self._once = tags, bucket, connection, once
        self._may: bool | None = None
        """Whether they may be read where their number is missing; None: nobody has asked."""
        self._counted = True
        """The storage tells how many there are."""
        self._finding = asyncio.Lock()

    async def __call__(self, source: ObjectSource, entry: Entry, asset: Asset) -> Asset:
        """Tags stay None if they are denied: the object itself is none the worse. Raises SourceError, CredentialError."""
        del source
        count = json.loads(asset.headers or "{}").get(_COUNT, "")
        if count == "0":
            return asset._replace(tags=NO_TAGS)
        if count:
            return asset._replace(tags=await self._asked(entry, asset))
        if self._may is None:
            async with self._finding:
                if self._may is None:
                    tags = await self._asked(entry, asset)
                    self._may, self._counted = tags is not None, tags in (None, NO_TAGS)
                    return asset._replace(tags=tags)
        if not self._may:
            return asset
        return asset._replace(tags=NO_TAGS if self._counted else await self._asked(entry, asset))

    async def _asked(self, entry: Entry, asset: Asset) -> str | None:
        probed = asset.probed_version_id or ""
        try:
            tags = await self._tags.tags(entry.key, probed=probed, version_id=entry.version_id)
        except AccessDeniedError as denied:
            self._warn(denied, "s3:GetObjectVersionTagging" if entry.version_id else "s3:GetObjectTagging")
            return None
        except RequestRefusedError as refused:
            if refused.code != "NoSuchTagSet":
                raise
            tags = {}
        return json.dumps({text(name) or "": text(value) or "" for name, value in tags.items()}, sort_keys=True)

    def _warn(self, denied: AccessDeniedError, action: str) -> None:
        if not self._once.first("tags"):
            return
        statement = {"Effect": "Allow", "Action": action, "Resource": f"arn:aws:s3:::{self._bucket}/*"}
        log.warning(
            "tags are denied, and stay unknown; the objects themselves are recorded",
            code=denied.code,
            reason=str(denied.fields.get("why") or denied.message),
            add=json.dumps(statement),
            all_of_it=f"longshore policy access {self._connection} --tags",
        )
