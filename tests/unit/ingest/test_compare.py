"""The merge of a listing with what is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.compare import Known, cut, fingerprint, merge
from ingest.job import Depth
from ingest.model import Entry, Range

KEYS = st.binary(max_size=3)


def entry(key: bytes, etag: str = "e") -> Entry:
    return Entry(key, 1, etag, "2026-01-01T00:00:00.000Z", "STANDARD")


def known(key: bytes, *, etag: str = "e", state: str = "present", depth: Depth = "head") -> Known:
    return Known(key, fingerprint(entry(key, etag)), state, depth)


@given(st.dictionaries(KEYS, st.sampled_from("ab")), st.dictionaries(KEYS, st.sampled_from("ab")), st.sets(KEYS))
def test_the_walk_finds_what_two_dictionaries_find(
    listed: dict[bytes, str], had: dict[bytes, str], unwanted: set[bytes]
) -> None:
    entries = [entry(key, listed[key]) for key in sorted(listed)]
    rows = [known(key, etag=had[key]) for key in sorted(had)]
    merged = merge(entries, rows, within=Range(), depth="head", keep=lambda key: key not in unwanted)

    assert merged.missing == sorted(set(had) - set(listed))
    assert [change.entry.key for change in merged.changes] == [
        key for key in sorted(set(listed) - unwanted) if had.get(key) != listed[key]
    ]
    assert [change.known is not None for change in merged.changes] == [
        change.entry.key in had for change in merged.changes
    ]
    assert merged.filtered == len(set(listed) & unwanted)
    assert merged.listed == len(listed) == len(merged.changes) + merged.unchanged + merged.filtered


@given(st.sets(KEYS), st.sets(KEYS), st.integers(1, 5))
def test_spans_of_few_changes_tile_the_range_and_say_the_same(listed: set[bytes], had: set[bytes], most: int) -> None:
    entries, rows = [entry(key) for key in sorted(listed)], [known(key) for key in sorted(had)]
    whole = merge(entries, rows, within=Range(), depth="head")
    spans = list(cut(entries, rows, within=Range(), depth="head", keep=None, most=most))

    assert [span.within.lo for span in spans[1:]] == [span.within.hi for span in spans[:-1]]
    assert (spans[0].within.lo, spans[-1].within.hi) == (None, None)
    assert all(len(span.changes) <= most for span in spans)
    assert [change for span in spans for change in span.changes] == whole.changes
    assert [key for span in spans for key in span.missing] == whole.missing
    assert sum(span.unchanged for span in spans) == whole.unchanged
    for span in spans:
        assert all(change.entry.key in span.within for change in span.changes)
        assert all(key in span.within for key in span.missing)


@pytest.mark.parametrize(
    ("row", "depth", "unchanged"),
    [
        (known(b"k"), "head", True),
        (known(b"k"), "list", True),
        (known(b"k", depth="list"), "list", True),
        (known(b"k", depth="list"), "head", False),
        (known(b"k", state="archived"), "head", True),
        (known(b"k", state="failed"), "head", False),
        (known(b"k", state="missing"), "head", False),
        (known(b"k", etag="other"), "head", False),
    ],
)
def test_unchanged_is_the_same_fingerprint_a_settled_state_and_a_depth_that_covers(
    row: Known, depth: Depth, unchanged: bool
) -> None:
    assert merge([entry(b"k")], [row], within=Range(), depth=depth).unchanged == int(unchanged)


@pytest.mark.parametrize(
    "differs",
    [
        lambda e: e._replace(size=2),
        lambda e: e._replace(last_modified="2026-01-01T00:00:00.001Z"),
        lambda e: e._replace(storage_class="GLACIER"),
        lambda e: e._replace(checksum_algorithm="CRC32"),
        lambda e: e._replace(checksum_type="COMPOSITE"),
    ],
)
def test_each_part_of_the_fingerprint_counts(differs: Callable[[Entry], Entry]) -> None:
    assert len(merge([differs(entry(b"k"))], [known(b"k")], within=Range(), depth="head").changes) == 1
