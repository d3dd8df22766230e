"""An object of a place, tried: its metadata, its bytes, a version, its tags, and whether it could be decrypted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from config.errors import AccessDeniedError, LongshoreError, ObjectArchivedError, ObjectMissingError
from credentials.grants import Grant
from credentials.policies.access import Need
from ingest.check.asking import BucketDoor
from ingest.check.causes import (
    HEAD_TRAP,
    KEY_ARN,
    OBJECT_OWNER,
    denied,
    denied_by_key,
    is_kms,
    is_policy,
    key_in,
    plainly,
    told,
)
from ingest.check.finding import OTHERS
from ingest.check.repairs import Repairs
from ingest.check.report import Reason, Step, failed, passed, untried, warned
from ingest.check.waiting import Spreading
from ingest.model import ObjectHead
from ingest.s3.errors import shown, uri

HEAD: Final = "head"
GET: Final = "get"
VERSION: Final = "version"
TAGS: Final = "tags"
VERSION_TAGS: Final = "tags of a version"
KMS: Final = "decrypt"


@dataclass(slots=True, kw_only=True)
class ObjectTest:
    """One object, and others of its place to compare it with."""

    door: BucketDoor
    place: Grant
    repairs: Repairs
    spreading: Spreading
    key: bytes
    others: list[bytes] = field(default_factory=list)
    listed: bool | None = True
    """Whether it is in a listing; None: nobody has looked."""
    kms_keys: tuple[str, ...] = ()
    head: ObjectHead | None = None
    is_read: bool = False
    """Whether a GET gave its first byte."""
    by_key: bool = False
    """What refuses it is its KMS key."""
    key_arn: str | None = None
    key_error: LongshoreError | None = None

    @property
    def about(self) -> str:
        return uri(self.door.location.bucket, self.key)

    async def read(self) -> list[Step]:
        """HEAD and GET. A HEAD is refused without a word, so that what the GET is told says what both lack."""
        head_error = await self._tried(self._head)
        get_error = await self._tried(self._get)
        if head_error is not None or get_error is not None:
            await self._whether_by_key(head_error, get_error)
        if self.listed is None and (head_error is not None or get_error is not None):
            self.listed = await self._in_a_listing()
        words = get_error if isinstance(get_error, AccessDeniedError) else head_error
        other = await self._another() if isinstance(words, AccessDeniedError) and not self.by_key else None
        head = self._step(HEAD, head_error, words, other)
        return [head, self._step(GET, get_error, words, other)]

    async def _tried(self, ask: Callable[[], Awaitable[None]]) -> LongshoreError | None:
        try:
            await self.spreading.through(ask)
        except LongshoreError as error:
            return error
        return None

    async def _head(self) -> None:
        self.head = await self.door.client.head(self.key)

    async def _get(self) -> None:
        async with self.door.client.get(self.key, first=0, last=0) as body:
            await body.read()
        self.is_read = True

    async def _whether_by_key(self, *errors: LongshoreError | None) -> None:
        """A HEAD that leaves the checksum out needs no key, and names it."""
        refusals = [
            error for error in errors if error is not None and (isinstance(error, AccessDeniedError) or is_kms(error))
        ]
        told_so = next((error for error in refusals if is_kms(error)), None)
        self.key_error = told_so
        if not refusals:
            return
        try:
            headers = await self.door.plain_head(self.key)
        except LongshoreError:
            headers = {}
        self.key_arn = _key_of(headers) or (key_in(told_so) if told_so else None)
        self.by_key = told_so is not None or headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
        if self.by_key and self.key_error is None:
            self.key_error = refusals[0]

    async def _in_a_listing(self) -> bool | None:
        """Without s3:ListBucket on the bucket as a whole, what does not exist is refused, too: a listing of this one key decides."""
        try:
            page = await self.door.client.list_page(prefix=self.key, max_keys=1)
        except LongshoreError:
            return None
        return self.key in page.entries.keys

    async def _another(self) -> bytes | None:
        """Another object of the place that may be read, if this one may not."""
        for key in self.others[:OTHERS]:
            try:
                await self.door.client.head(key)
            except LongshoreError:
                continue
            return key
        return None

    def _step(self, name: str, error: LongshoreError | None, words: LongshoreError | None, other: bytes | None) -> Step:
        if error is None:
            size = f" ({self.head.size:,} B)" if self.head is not None and name == HEAD else ""
            return passed(
                name, f"its metadata was read{size}" if name == HEAD else "its first byte was read", about=self.about
            )
        seen = told(error)
        if isinstance(error, ObjectArchivedError):
            why = "it is archived, and must be restored before it can be read: set another test location"
            return warned(name, seen, Reason(why=why, target="connection"), about=self.about)
        if other is not None:
            seen += f"; {uri(self.door.location.bucket, other)} may be read"
        return failed(name, seen, *self._reasons(name, error, words, is_alone=other is not None), about=self.about)

    def _reasons(
        self, name: str, error: LongshoreError, words: LongshoreError | None, *, is_alone: bool
    ) -> tuple[Reason, ...]:
        """`is_alone`: other objects may be read."""
        if self.by_key:
            return (_BY_KEY,)
        if isinstance(error, ObjectMissingError) or self.listed is False:
            return (_NO_OBJECT,)
        if not isinstance(error, AccessDeniedError) or not is_policy(error):
            return plainly(error, endpoint=self.door.origin)
        if is_alone:
            return (OBJECT_OWNER, _OF_OBJECT)
        worded = words if isinstance(words, AccessDeniedError) else error
        reasons = denied(worded, "get", self.place, self.repairs, seen_by_list=self.listed is not None)
        return (*reasons, HEAD_TRAP) if name == HEAD else reasons

    async def version(self) -> Step:
        """A read that names a version needs a permission of its own."""
        if self.head is None:
            return untried(VERSION, "no object was read, so that no version is known", about=self.about)
        wanted = self.head.version_id or "null"
        try:
            await self.spreading.through(partial(self.door.client.head, self.key, version_id=wanted))
        except LongshoreError as error:
            return self._refused(VERSION, error, "version")
        return passed(VERSION, f"version {shown(wanted.encode())} was read", about=self.about)

    async def tags(self) -> Step:
        return await self._tags(TAGS, "tagging", b"")

    async def version_tags(self) -> Step:
        if self.head is None:
            return untried(VERSION_TAGS, "no object was read, so that no version is known", about=self.about)
        return await self._tags(VERSION_TAGS, "version_tagging", self.head.version_id.encode() or b"null")

    async def _tags(self, name: str, need: Need, version: bytes) -> Step:
        try:
            await self.spreading.through(partial(self.door.tags, self.key, version))
        except LongshoreError as error:
            return self._refused(name, error, need)
        return passed(name, "its tags were read", about=self.about)

    def _refused(self, name: str, error: LongshoreError, need: Need) -> Step:
        if isinstance(error, AccessDeniedError) and is_policy(error):
            reasons = denied(error, need, self.place, self.repairs)
            return failed(name, told(error), *reasons, about=self.about)
        return failed(name, told(error), *plainly(error, endpoint=self.door.origin), about=self.about)

    def decrypt(self) -> Step:
        """Whether a KMS key was met, and what it said."""
        if self.by_key and self.key_error is not None:
            reasons = denied_by_key(self.key_error, self.place, self.key_arn, self.repairs)
            seen = f"the key {self.key_arn or 'of the object'} refuses: {told(self.key_error)}"
            return failed(KMS, seen, *reasons, about=self.about)
        if self.head is None:
            return untried(KMS, "no metadata was read, so that no key is known", about=self.about)
        headers = self.head.headers
        if not headers.get("x-amz-server-side-encryption", "").startswith("aws:kms"):
            expected = f", though the connection names {len(self.kms_keys)} keys" if self.kms_keys else ""
            return untried(KMS, f"not seen: the object is not under a KMS key{expected}", about=self.about)
        if not self.is_read:
            return untried(KMS, "the object is under a KMS key, and its bytes were not read", about=self.about)
        arn = _key_of(headers)
        if self.kms_keys and arn is not None and arn not in self.kms_keys:
            why = f"the connection's keys lack it, so policies printed for it do not either allow it: add {arn} to them"
            return warned(KMS, f"decrypted with {arn}", Reason(why=why, target="connection"), about=self.about)
        return passed(KMS, f"decrypted with {arn or 'a KMS key'}", about=self.about)


def _key_of(headers: Mapping[str, str]) -> str | None:
    """Taken into policies, so nothing but an ARN."""
    arn = headers.get("x-amz-server-side-encryption-aws-kms-key-id", "")
    return arn if KEY_ARN.fullmatch(arn) else None


_OF_OBJECT: Final = Reason(
    why="a policy has a condition on the object itself: its tags (s3:ExistingObjectTag), its encryption, or its key",
    target="role",
)

_BY_KEY: Final = Reason(why="the object may be read, but not decrypted: see the step `decrypt`", target="key")
_NO_OBJECT: Final = Reason(
    why="there is no such object: mend the test location, its upper and lower case too", target="connection"
)
