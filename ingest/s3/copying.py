"""Copies objects into one bucket on the storage's side. Hides parts, headers, and that an answer of 200 may be an error.

Source: CopyObject, CreateMultipartUpload, UploadPartCopy, CompleteMultipartUpload and AbortMultipartUpload in the Amazon S3 API Reference.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Literal, NamedTuple
from urllib.parse import quote
from xml.sax.saxutils import escape

import structlog

from config.errors import (
    AccessDeniedError,
    LongshoreError,
    ObjectChangedError,
    ObjectMissingError,
    RequestRefusedError,
    SourceError,
)
from ingest.s3.asker import Asker
from ingest.s3.body import content_length, read_head
from ingest.s3.errors import Subject, explained, shown
from ingest.s3.exchange import Answered, Call
from ingest.s3.results import ALGORITHMS, Written, read_upload_id, read_written
from ingest.s3.sign import encode_path

log = structlog.get_logger(__name__)

WHOLE_MOST: Final = 5 * 1024**3
"""Bytes that one request copies, whole or as a part."""
PARTS_MOST: Final = 10_000
_MIB: Final = 1024**2
_FULL: Final = ("CRC32", "CRC32C", "CRC64NVME")
"""Checksums of a whole object that S3 reckons from those of its parts."""
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_PARTS: Final = re.compile(r"[0-9a-f]{32}-([1-9][0-9]{0,4})")
"""An ETag of what was made of so many parts."""
_LIFECYCLE: Final = "a lifecycle rule that ends incomplete uploads clears it away"
_ABORT_S: Final = 10.0
"""How long an upload that failed may take to be given up: somebody may be waiting for the worker to end."""


class Original(NamedTuple):
    """The version of an object that is to be copied, as it was probed."""

    bucket: str
    key: bytes
    size: int
    etag: str
    version_id: str = ""
    """Empty: the newest, if it is still the one with this ETag."""
    probed: str = ""
    """The version that was probed, where the storage told: another one may have the same ETag, and other metadata."""
    checksum_algorithm: str = ""
    checksum: str = ""
    checksum_type: str = ""
    requester_pays: bool = False
    expected_owner: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """How a request names it: another version under the same key is never copied."""
        source = f"/{self.bucket}/{encode_path(self.key)}"
        if self.version_id:
            source += f"?versionId={quote(self.version_id, safe='')}"
        headers = {"x-amz-copy-source": source}
        if self.etag:
            headers["x-amz-copy-source-if-match"] = f'"{self.etag}"'
        if self.requester_pays:
            headers["x-amz-request-payer"] = "requester"
        if self.expected_owner is not None:
            headers["x-amz-source-expected-bucket-owner"] = self.expected_owner
        return headers


class S3Copier:
    """One bucket that is written to. Safe to share between tasks."""

    def __init__(self, asker: Asker, *, encryption: Mapping[str, str] | None = None) -> None:
        """`asker` asks the bucket of the copies; `encryption`: the headers that say how they are encrypted."""
        self._asker, self._encryption, self._limits = asker, dict(encryption or {}), asker.limits

    @property
    def bucket(self) -> str:
        return self._asker.location.bucket

    async def copy(self, original: Original, key: bytes, *, tags: bool) -> Written:
        """An object of up to 5 GiB, with its metadata, in one request. `tags`: with its tags, too.

        Raises SourceError, CredentialError.
        """
        headers = {
            **original.headers,
            **self._encryption,
            "x-amz-metadata-directive": "COPY",
            "x-amz-tagging-directive": "COPY" if tags else "REPLACE",
        }
        if original.checksum_algorithm in ALGORITHMS:
            headers["x-amz-checksum-algorithm"] = original.checksum_algorithm
        encryption: list[str] = []

        def note(answered: Answered) -> None:
            _check_version(call.subject, original, answered)
            encryption[:] = [answered.headers.get("x-amz-server-side-encryption", "")]

        call = self._call("PUT", key, headers=headers)
        written = await self._asker.ask(call, lambda root: read_written(root, "CopyObjectResult"), check=note)
        return written._replace(encryption=encryption[0])

    async def copy_in_parts(self, original: Original, key: bytes, *, headers: Mapping[str, str]) -> Written:
        """An object of any size. `headers`: its metadata, which parts don't bring along, and its tags.

        An upload that fails, or is cancelled, is given up. Raises as `copy`.
        """
        headers = {**headers, **self._encryption}
        if original.checksum_type == "FULL_OBJECT" and original.checksum_algorithm in _FULL:
            headers["x-amz-checksum-algorithm"] = original.checksum_algorithm
            headers["x-amz-checksum-type"] = "FULL_OBJECT"
        call = self._call("POST", key, query={"uploads": b""}, headers=headers)
        upload = await self._asker.ask(call, read_upload_id)
        async with self._given_up_if_it_fails(key, upload):
            parts = await self._parts(original, key, upload)
            document = "".join(
                f"<Part><ETag>{escape(part.etag)}</ETag><PartNumber>{number}</PartNumber></Part>"
                for number, part in enumerate(parts, start=1)
            )
            call = self._call(
                "POST",
                key,
                query={"uploadId": upload.encode()},
                headers={"content-type": "application/xml"},
                body=f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{document}</CompleteMultipartUpload>'.encode(),
            )
            try:
                written = await self._asker.ask(call, lambda root: read_written(root, "CompleteMultipartUploadResult"))
            except RequestRefusedError as refused:
                if refused.code != "NoSuchUpload":
                    raise
                # it may have been completed by a request whose answer was lost
                return await self._looked_at(original, key, parts, refused=refused)
            await self._looked_at(original, key, parts, written=written)
            return written

    async def _looked_at(
        self,
        original: Original,
        key: bytes,
        parts: Sequence[Written],
        *,
        written: Written | None = None,
        refused: SourceError | None = None,
    ) -> Written:
        """What an upload made, if that is what lies there now: a storage that says so may have written nothing. Raises `refused`, or
        what the look at it comes to.
        """
        call = self._call("HEAD", key, request="head")
        try:
            found = await self._asker.tell(call)
        except (AccessDeniedError, ObjectMissingError) as absent:
            if refused is not None:
                raise refused from None
            if isinstance(absent, AccessDeniedError):  # as S3 says of what is not there, where it may not be listed
                why = "the storage says that it is done, and then denies a look at it"
                raise explained(AccessDeniedError, call.subject, why, code=absent.code) from None
            why = "the storage says that it is done, and then that nothing is there"
            raise explained(RequestRefusedError, call.subject, why, code="CopyDiffers") from None
        made = read_head(found, size=content_length(found, call.subject))
        if refused is not None:
            if made.etag != etag_of(parts):
                raise refused
            return Written(made.etag, encryption=made.headers.get("x-amz-server-side-encryption", ""))
        assert written is not None
        why = ""
        if made.size != original.size:
            why = f"the copy has {made.size} bytes, and the original {original.size}"
        elif (told := _PARTS.fullmatch(made.etag)) and int(told[1]) != len(parts):
            why = f"the copy is one of {told[1]} parts, and {len(parts)} were sent"
        elif told and _PARTS.fullmatch(written.etag) and made.etag != written.etag:
            why = f"the copy's ETag is {made.etag}, and {written.etag} was written"
        if why:
            raise explained(RequestRefusedError, call.subject, why, code="CopyDiffers")
        return written

    async def _parts(self, original: Original, key: bytes, upload: str) -> list[Written]:
        room = asyncio.Semaphore(self._limits.copy_parts_at_once)

        async def part(number: int, first: int, last: int) -> Written:
            call = self._call(
                "PUT",
                key,
                query={"partNumber": str(number).encode(), "uploadId": upload.encode()},
                headers={**original.headers, "x-amz-copy-source-range": f"bytes={first}-{last}"},
            )
            async with room:
                check = partial(_check_version, call.subject, original)
                return await self._asker.ask(call, lambda root: read_written(root, "CopyPartResult"), check=check)

        try:
            async with asyncio.TaskGroup() as group:
                size = part_size(original.size, least=self._limits.copy_part_bytes)
                tasks = [
                    group.create_task(part(number, first, min(first + size, original.size) - 1))
                    for number, first in enumerate(range(0, original.size, size), start=1)
                ]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    @asynccontextmanager
    async def _given_up_if_it_fails(self, key: bytes, upload: str) -> AsyncGenerator[None]:
        try:
            yield
        except BaseException as why:
            call = self._call("DELETE", key, query={"uploadId": upload.encode()}, good=frozenset({204, 200, 404}))
            try:
                async with asyncio.timeout(_ABORT_S):
                    await self._asker.tell(call)
            except (LongshoreError, TimeoutError) as error:
                self._left(key, error)
                if isinstance(why, LongshoreError):
                    told = str(why.fields.get("why") or why.message).rstrip(".")
                    why.fields["why"] = (
                        f"{told}; an upload may be left there, which could not be given up: {_LIFECYCLE}"
                    )
            raise

    def _left(self, key: bytes, error: LongshoreError | TimeoutError) -> None:
        denied = isinstance(error, AccessDeniedError)
        reason = error.fields.get("why") or error.message if isinstance(error, LongshoreError) else "no answer"
        log.warning(
            "an upload could not be given up, and may be left",
            target=f"s3://{self.bucket}/{shown(key)}",
            reason=reason,
            mend=f"grant s3:AbortMultipartUpload on the target; {_LIFECYCLE}" if denied else _LIFECYCLE,
        )

    def _call(
        self,
        method: str,
        key: bytes,
        *,
        request: Literal["copy", "head"] = "copy",
        query: Mapping[str, bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        good: frozenset[int] = frozenset({200}),
    ) -> Call:
        return Call(
            subject=Subject(request=request, bucket=self.bucket, key=key),
            method=method,
            key=key,
            query=query or {},
            headers=headers or {},
            body=body,
            patience_s=self._limits.copy_s if request == "copy" else None,
            good=good,
        )


def _check_version(subject: Subject, original: Original, answered: Answered) -> None:
    now = answered.headers.get("x-amz-copy-source-version-id", "")
    if original.probed and now and now != original.probed:
        raise explained(
            ObjectChangedError, subject, "the original is no longer the version that was probed", status=200
        )


def etag_of(parts: Sequence[Written]) -> str:
    """That of an object which is made of these, unless they are under a key of KMS; empty if nobody can tell."""
    if not all(_MD5.fullmatch(part.etag) for part in parts):
        return ""
    joined = b"".join(bytes.fromhex(part.etag) for part in parts)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"


def part_size(size: int, *, least: int) -> int:
    """Bytes of a part, in whole MiB, so that 10,000 parts are enough; the last one may be smaller."""
    needed = -(-size // PARTS_MOST)
    return min(WHOLE_MOST, max(least, -(-needed // _MIB) * _MIB))
