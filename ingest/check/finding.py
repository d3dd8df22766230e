"""An object to try a place with: hides how far a listing is read, and what in it can't be read."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from config.errors import AccessDeniedError, LongshoreError
from ingest.check.asking import BucketDoor
from ingest.listable import DELIMITER, Shape, folder_of, may_be_condition, no_such_folder
from ingest.model import ARCHIVED, Entry

FIND: Final = "find an object"
_LOOKED_AT: Final = 2_000
"""Keys, while an object that can be read is looked for."""
_DEPTH: Final = 8
"""Folders, where a policy allows nothing but to walk."""
OTHERS: Final = 4
"""Objects that are tried when the first one is refused."""


@dataclass(slots=True, kw_only=True)
class Found:
    """What a place offers to be read."""

    keys: list[bytes] = field(default_factory=list)
    looked_at: int = 0
    markers: int = 0
    archived: int = 0
    error: LongshoreError | None = None
    """What ended the search."""

    def look(self, entry: Entry) -> None:
        self.looked_at += 1
        if entry.key.endswith(DELIMITER) and not entry.size:
            self.markers += 1
        elif entry.storage_class in ARCHIVED:
            self.archived += 1
        else:
            self.keys.append(entry.key)

    @property
    def enough(self) -> bool:
        return len(self.keys) > OTHERS or self.looked_at >= _LOOKED_AT

    def why_none(self) -> str:
        if not self.looked_at:
            return "there is no object yet, so that reading could not be tried; put one there, or set a test location"
        if self.archived:
            return (
                f"the first {self.looked_at} objects are archived ({self.archived}) or mark folders ({self.markers}), so that reading "
                "could not be tried: set a test location"
            )
        return (
            f"there are only folder markers ({self.markers}), so that reading could not be tried: put an object there"
        )


async def find(door: BucketDoor, prefix: bytes, shape: Shape) -> Found:
    """Objects that can be read, from the beginning of a listing, as far as that goes."""
    found = Found()
    try:
        async with aclosing(_flat(door, prefix) if shape.kind == "flat" else _walk(door, prefix)) as entries:
            async for entry in entries:
                found.look(entry)
                if found.enough:
                    break
    except LongshoreError as error:
        found.error = error
    return found


async def _flat(door: BucketDoor, prefix: bytes) -> AsyncGenerator[Entry]:
    async with aclosing(door.client.pages(prefix=prefix)) as pages:
        async for page in pages:
            for entry in page.entries:
                yield entry


async def _walk(door: BucketDoor, prefix: bytes) -> AsyncGenerator[Entry]:
    """The entries of a folder and of the first folders below it. What lies beside the prefix in its folder is none of them."""
    folder = folder_of(prefix)
    for depth in range(_DEPTH):
        try:
            page = await door.client.list_page(prefix=folder, delimiter=DELIMITER)
        except AccessDeniedError as error:
            if not depth or not may_be_condition(error):
                raise
            bucket = door.location.bucket
            raise no_such_folder(error, bucket=bucket, walked=folder_of(prefix), folder=folder, whole=None) from error
        for entry in page.entries:
            if entry.key.startswith(prefix):
                yield entry
        below = [one for one in page.common_prefixes if one.startswith(prefix)]
        if not below:
            return
        folder = below[0]
