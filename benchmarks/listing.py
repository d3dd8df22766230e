"""One page of a virtual bucket: hides prefixes, delimiters and where a listing goes on.

Source: ListObjectsV2 in the Amazon S3 API Reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.keys import KeySpace, lower, rank, successor


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What a page holds. `next_index` is where the next one begins; None on the last one."""

    indexes: Sequence[int]
    prefixes: list[bytes] = field(default_factory=list)
    next_index: int | None = None


def list_slice(
    space: KeySpace,
    *,
    prefix: bytes = b"",
    delimiter: bytes = b"",
    start_after: bytes = b"",
    begin: int | None = None,
    max_keys: int = 1000,
) -> Slice:
    """The page that begins behind `start_after`, or at the key numbered `begin`, which an earlier page named."""
    behind = successor(prefix)
    first = lower(space, prefix) if prefix else 0
    stop = space.count if behind is None else lower(space, behind, first)
    if begin is not None:
        first = max(first, begin)
    elif start_after:
        first = max(first, rank(space, start_after))
    if max_keys == 0:
        return Slice(indexes=())
    if delimiter:
        return _grouped(space, first, stop, prefix, delimiter, max_keys)
    end = min(first + max_keys, stop)
    return Slice(indexes=range(first, end), next_index=end if end < stop else None)


def _grouped(space: KeySpace, at: int, stop: int, prefix: bytes, delimiter: bytes, most: int) -> Slice:
    indexes: list[int] = []
    prefixes: list[bytes] = []
    while at < stop and len(indexes) + len(prefixes) < most:
        key = space.key(at)
        end = key.find(delimiter, len(prefix))
        if end < 0:
            indexes.append(at)
            at += 1
            continue
        folder = key[: end + len(delimiter)]
        prefixes.append(folder)
        behind = successor(folder)
        at = stop if behind is None else lower(space, behind, at)
    return Slice(indexes=indexes, prefixes=prefixes, next_index=at if at < stop else None)
