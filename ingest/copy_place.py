"""Where copies of objects land: hides how no two objects, of whichever tenants, ever have one copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from config.advice import copy_target
from config.errors import JobError, OutOfScopeError
from credentials.connection import Connection
from credentials.grants import Grant
from credentials.kinds import KeysSpec
from ingest.job import PrefixSource

_MARK: Final = "@"
"""Before each folder that a job adds: no bucket's name begins with it, so it can't be taken for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyPlace:
    """Where the copies of one connection of one workspace land: nobody else's lie there."""

    bucket: str
    prefix: str
    """Ends with "/"."""
    asked: str
    """What the job says."""

    @classmethod
    def of(cls, copy_to: str, *, targets: Sequence[str], workspace: str, connection: str) -> Self:
        """Below the place of the operator's (`targets`) that holds what a job says: by workspace and connection, whose names have no
        slash in them, and then by the job's own folders. So a job chooses nothing that stands before its tenant's name.

        Raises JobError if no place of the operator's holds it.
        """
        target = target_of(copy_to, targets)
        bucket, _, prefix = target.removeprefix("s3://").partition("/")
        folders = "".join(f"{_MARK}{folder}/" for folder in copy_to.removeprefix(target).split("/")[:-1])
        made = cls(bucket=bucket, prefix=f"{prefix}{workspace}/{connection}/{folders}", asked=copy_to)
        own = f"{target}{workspace}/{connection}/"
        for other in targets:
            if len(other) > len(target) and (other.startswith(own) or own.startswith(other)):
                raise JobError(
                    f"copy_to: copies to {target} would land in {own}, where those to {other} land, too: let the operator list places in "
                    "LONGSHORE_COPY_TARGETS of which none lies in another one",
                    code="CopyTargetRefused",
                )
        return made

    @property
    def grant(self) -> Grant:
        return Grant(bucket=self.bucket, prefix=self.prefix)

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def begin(self, bucket: str) -> str:
        """How `copied_to` begins for all objects of a bucket, versions or not."""
        return f"{self.uri}{bucket}"

    def key(self, bucket: str, key: bytes, version_id: str = "") -> bytes:
        """The same for the same object at any time. Versions have folders of their own: no bucket's name has an @ in it."""
        folder = f"{bucket}@{version_id}" if version_id else bucket
        return f"{self.prefix}{folder}/".encode() + key


def target_of(copy_to: str, targets: Sequence[str]) -> str:
    """The place of the operator's that holds what a job says: the innermost one. Raises JobError if there is none."""
    holding = [target for target in targets if copy_to.startswith(target)]
    if not holding:
        raise JobError(
            f"copy_to: the operator does not allow copies to {copy_to}; LONGSHORE_COPY_TARGETS lists the places that are allowed",
            code="CopyTargetRefused",
        )
    return max(holding, key=len)


def check_target(
    copy_to: str, *, connection: Connection, sources: Sequence[PrefixSource], targets: Sequence[str]
) -> CopyPlace:
    """Where a job through this connection copies to, if it may. `targets`: what the operator allows.

    Raises JobError, and OutOfScopeError for a connection whose storage is not the operator's.
    """
    try:
        copy_target(copy_to)
    except ValueError as error:
        raise JobError(f"copy_to: {copy_to[:200]} can't be used: it {error}", code="CopyTargetRefused") from None
    place = CopyPlace.of(copy_to, targets=targets, workspace=connection.workspace, connection=connection.name)
    spec = connection.bucket_spec
    if isinstance(spec, KeysSpec) and spec.endpoint is not None:
        raise OutOfScopeError(
            f"connection {connection.name!r} reads a storage of its own ({spec.endpoint}), and no storage copies into another one: "
            "leave out copy_to"
        )
    for target in (copy_to, place.uri):
        bucket, _, prefix = target.removeprefix("s3://").partition("/")
        for source in sources:
            if source.meets(PrefixSource(bucket, prefix.encode())):
                raise JobError(
                    f"copy_to: {target} and {source.uri} overlap, so each run would copy the copies of the one before: name another place",
                    code="CopyTargetRefused",
                )
    return place
