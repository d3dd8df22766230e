"""Whether a page fits its place in a listing: order, bounds, progress. What passes here can't hide a gap or turn in circles."""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections import deque
from itertools import islice

from config.errors import ListingError
from ingest.model import Page, Range

KEY_BYTES = 1_024
"""S3's keys have no more ("Naming Amazon S3 objects")."""
_TOKENS_KEPT = 10_000
"""Longer circles hold a page with keys, and show by their order, or are this many empty pages in a row."""


def check_page(
    page: Page, *, prefix: bytes, delimiter: bytes, floor: bytes | None, start_after: bytes | None, what: str
) -> None:
    """Keys and common prefixes ascend by bytes, begin with `prefix` and lie behind `floor`. Raises ListingError.

    `floor`: everything up to here has been listed. A folder that `start_after` lies in is still named, though it sorts before.
    """
    if page.entries.is_read:  # else it is a page that was checked when it was seen
        _check_keys(page.entries.keys, prefix=prefix, floor=floor, what=what)
    previous: bytes | None = None
    for folder in page.common_prefixes:
        if not folder.startswith(prefix) or not delimiter or not folder.endswith(delimiter):
            raise broken(what, "a common prefix does not fit the prefix and the delimiter", folder)
        if folder == prefix or len(folder) > KEY_BYTES:
            raise broken(what, "a common prefix leads nowhere, or is longer than any key", folder)
        if previous is not None and folder <= previous:
            raise broken(what, "common prefixes do not ascend", folder)
        begun = start_after is not None and start_after.startswith(folder)
        if floor is not None and folder <= floor and not begun:
            raise broken(what, "a common prefix lies before the place that was asked for", folder)
        previous = folder


def _check_keys(keys: list[bytes], *, prefix: bytes, floor: bytes | None, what: str) -> None:
    if keys and max(map(len, keys)) > KEY_BYTES:
        raise broken(what, f"a key has more than {KEY_BYTES} bytes", max(keys, key=len))
    ascending = all(map(operator.lt, keys, islice(keys, 1, None)))
    # what lies between two keys that begin with the prefix begins with it too, so that the ends speak for all
    if ascending and all(key.startswith(prefix) and (floor is None or key > floor) for key in keys[:1] + keys[-1:]):
        return
    previous = floor
    for key in keys:
        if not key.startswith(prefix):
            raise broken(what, "a key lies outside the prefix", key)
        if previous is not None and key <= previous:
            raise broken(what, "keys do not ascend, or begin before the place that was asked for", key)
        previous = key


def last_of(page: Page) -> bytes | None:
    """The end of what this page covers; None if it is empty."""
    ends = ([page.entries.last] if page.entries else []) + page.common_prefixes[-1:]
    return max(ends) if ends else None


def cut(page: Page, within: Range) -> Page:
    """The page without what lies beyond `within.hi`; the last one if it reaches that far. A folder that `hi` lies in stays."""
    hi, last = within.hi, last_of(page)
    if hi is None or last is None or last < hi:
        return page
    return Page(
        entries=page.entries[: bisect_right(page.entries.keys, hi)],
        common_prefixes=[folder for folder in page.common_prefixes if folder <= hi],
        next_token=None,
    )


class Progress:
    """Follows one listing from page to page, in bounded memory."""

    def __init__(self, *, floor: bytes | None, what: str) -> None:
        self.floor = floor
        """Everything up to here has been listed."""
        self._what = what
        self._recent: deque[str] = deque()
        self._seen: set[str] = set()
        self._empty = 0

    def add(self, page: Page) -> None:
        """Raises ListingError for a token that was given before, and for pages that lead nowhere."""
        last = last_of(page)
        self._empty = 0 if last is not None else self._empty + 1
        if last is not None and (self.floor is None or last > self.floor):
            self.floor = last
        token = page.next_token
        if token is None:
            return
        if token in self._seen or self._empty >= _TOKENS_KEPT:
            raise ListingError(
                f"{self._what}: the listing turns in circles (a continuation token came twice, or {self._empty} empty pages came "
                "in a row), so it can't be completed; run again, and report it to whoever runs this storage",
                code="RepeatedToken",
            )
        self._seen.add(token)
        self._recent.append(token)
        if len(self._recent) > _TOKENS_KEPT:
            self._seen.discard(self._recent.popleft())


def broken(what: str, why: str, key: bytes) -> ListingError:
    """The error of a listing that is not in order."""
    shown = key[:80].decode("utf-8", "backslashreplace")
    return ListingError(
        f"{what}: {why} (at {shown!r}), so the listing can't be trusted to be complete; "
        "directory buckets and servers that ignore start-after can't be listed",
        code="UnorderedListing",
    )
