"""The merge of a listing with what is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.compare import Keep, Merged, merge
from ingest.known import Known, KnownAsset, known_of
from ingest.model import Entries, Entry, Range

KEYS = st.binary(max_size=3)
STATES = st.sampled_from(["settled", "unsettled", "missing"])


def entry(key: bytes, etag: str = "e") -> Entry:
    return Entry(key, 1, etag, "2026-01-01T00:00:00.000Z", "STANDARD")


def asset(*, etag: str = "e", unsettled: bool = False, missing: bool = False) -> KnownAsset:
    (fingerprint,) = Entries.of([entry(b"", etag)]).fingerprints()
    return KnownAsset(fingerprint, unsettled or missing, missing)


def known(**rows: KnownAsset) -> Known:
    return known_of({key.encode(): rows[key] for key in sorted(rows)})


def whole(entries: list[Entry], rows: Known, *, keep: Keep = None) -> Merged:
    (merged,) = merge(Entries.of(entries), rows, within=Range(), keep=keep, most=1000)
    return merged


@given(
    st.dictionaries(KEYS, st.sampled_from("ab")),
    st.dictionaries(KEYS, st.tuples(st.sampled_from("ab"), STATES)),
    st.sets(KEYS),
)
def test_the_walk_finds_what_two_dictionaries_find(
    listed: dict[bytes, str], had: dict[bytes, tuple[str, str]], unwanted: set[bytes]
) -> None:
    rows = known_of(
        {
            key: asset(etag=had[key][0], unsettled=had[key][1] == "unsettled", missing=had[key][1] == "missing")
            for key in sorted(had)
        }
    )
    merged = whole([entry(key, listed[key]) for key in sorted(listed)], rows, keep=lambda key: key not in unwanted)

    settled = {key: etag for key, (etag, state) in had.items() if state == "settled"}
    assert merged.missing == sorted(set(had) - set(listed))
    assert merged.changes.keys == [key for key in sorted(set(listed) - unwanted) if settled.get(key) != listed[key]]
    assert merged.new == bytes(key not in had for key in merged.changes.keys)
    assert merged.filtered == len(set(listed) & unwanted)
    assert merged.seen_again == sorted(key for key in set(listed) & unwanted & set(had) if had[key][1] == "missing")
    assert merged.known == len(had)
    assert merged.listed == len(listed) == len(merged.changes) + merged.unchanged + merged.filtered


def told(span: Merged) -> dict[str, Any]:
    return {name: getattr(span, name) for name in ("listed", "unchanged", "filtered", "known")}


@given(st.sets(KEYS), st.sets(KEYS), st.sets(KEYS), st.integers(1, 5))
def test_spans_of_few_changes_tile_the_range_and_say_the_same(
    listed: set[bytes], had: set[bytes], unwanted: set[bytes], most: int
) -> None:
    entries, rows = (
        Entries.of(entry(key) for key in sorted(listed)),
        known_of({key: asset(missing=key[:1] > b"\x80") for key in sorted(had)}),
    )

    def keep(key: bytes) -> bool:
        return key not in unwanted

    one = whole(list(entries), rows, keep=keep)
    spans = list(merge(entries, rows, within=Range(), keep=keep, most=most))

    assert [span.within.lo for span in spans[1:]] == [span.within.hi for span in spans[:-1]]
    assert (spans[0].within.lo, spans[-1].within.hi) == (None, None)
    assert all(len(span.changes) <= most for span in spans)
    assert [change for span in spans for change in span.changes] == list(one.changes)
    assert b"".join(span.new for span in spans) == one.new
    assert [key for span in spans for key in span.missing] == one.missing
    assert [key for span in spans for key in span.seen_again] == one.seen_again
    assert {name: sum(told(span)[name] for span in spans) for name in told(one)} == told(one)
    for span in spans:
        assert all(key in span.within for key in (*span.changes.keys, *span.missing, *span.seen_again))
        assert span.listed == sum(key in span.within for key in entries.keys)
        assert span.known == sum(key in span.within for key in had)


def test_a_filter_is_asked_once_for_each_key_however_many_spans_there_are() -> None:
    asked: list[bytes] = []
    entries = Entries.of(entry(b"%03d" % number) for number in range(300))

    def keep(key: bytes) -> bool:
        asked.append(key)
        return True

    assert len(list(merge(entries, known(), within=Range(), keep=keep, most=2))) == 150
    assert asked == entries.keys


@pytest.mark.parametrize(
    ("row", "unchanged"),
    [(asset(), True), (asset(unsettled=True), False), (asset(missing=True), False), (asset(etag="other"), False)],
)
def test_unchanged_is_the_same_fingerprint_and_no_need_for_a_second_look(row: KnownAsset, unchanged: bool) -> None:
    assert whole([entry(b"k")], known(k=row)).unchanged == int(unchanged)


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
    assert len(whole([differs(entry(b"k"))], known(k=asset())).changes) == 1


@pytest.mark.parametrize(("hi", "kept"), [(b"b", b"d"), (b"c", None), (None, None)])
@pytest.mark.parametrize("rows", [known(), known(a=asset(), b=asset())])
def test_the_digest_of_a_page_stands_for_no_more_than_the_page(
    rows: Known, hi: bytes | None, kept: bytes | None
) -> None:
    """Behind its last key there may be others one day, and the page come again all the same."""
    page = Entries(Entries.of([entry(b"a"), entry(b"b")]).columns, digest=b"d")
    assert [span.digest for span in merge(page, rows, within=Range(None, hi), most=2)] == [kept]
    assert [span.digest for span in merge(page, known(), within=Range(None, hi), most=1)] == [None, None]


@given(st.dictionaries(KEYS, st.integers(0, 50)), st.sets(KEYS), st.integers(1, 5), st.integers(1, 100))
def test_spans_of_few_bytes_tile_the_range_too(
    sizes: dict[bytes, int], had: set[bytes], most: int, most_bytes: int
) -> None:
    entries = Entries.of(entry(key)._replace(size=sizes[key]) for key in sorted(sizes))
    rows = known_of({key: asset() for key in sorted(had)})
    spans = list(merge(entries, rows, within=Range(), most=most, most_bytes=most_bytes))
    assert [key for span in spans for key in span.changes.keys] == [
        key for span in merge(entries, rows, within=Range(), most=1000) for key in span.changes.keys
    ]
    assert sum(span.listed for span in spans) == len(sizes)
    assert [key for span in spans for key in span.missing] == sorted(had - set(sizes))
    assert [span.within.lo for span in spans[1:]] == [span.within.hi for span in spans[:-1]]
    for span in spans:
        held = sum(map(int, span.changes.sizes))
        assert len(span.changes) <= most
        assert held <= most_bytes or len(span.changes) == 1
