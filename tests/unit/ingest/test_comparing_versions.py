"""Versions are compared one by one; spans end between keys, tile, and count each version once."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ingest.compare import Merged
from ingest.comparing_versions import KnownVersion, KnownVersions, merge_versions
from ingest.model import Entry, Range
from ingest.versions import Name, VersionEntries

NAMES = st.tuples(st.binary(min_size=1, max_size=2), st.sampled_from(["v1", "v2", "v3", "v4"]))


def an_entry(name: Name, *, latest: bool = False, etag: str = "e") -> Entry:
    return Entry(name[0], 1, etag, "t", "STANDARD", version_id=name[1], is_latest=latest)


def a_row(*, etag: str = "e", latest: bool = False, unsettled: bool = False, missing: bool = False) -> KnownVersion:
    return KnownVersion((1, etag, "t", "STANDARD", ""), latest, unsettled, missing)


def merged(
    entries: dict[Name, Entry], rows: dict[Name, KnownVersion], *, most: int = 1000, drop: bytes | None = None
) -> list[Merged]:
    listed = VersionEntries.of(entries[name] for name in sorted(entries))
    known = KnownVersions({name: rows[name] for name in sorted(rows)})
    keep = None if drop is None else (lambda key: key != drop)
    return list(merge_versions(listed, known, within=Range(b"", None), keep=keep, most=most))


@given(
    entries=st.dictionaries(NAMES, st.tuples(st.booleans(), st.sampled_from("ef"))),
    rows=st.dictionaries(NAMES, st.tuples(st.booleans(), st.booleans(), st.booleans())),
    most=st.integers(1, 5),
    drop=st.none() | st.binary(min_size=1, max_size=1),
)
def test_each_version_has_one_outcome_and_spans_tile(
    entries: dict[Name, tuple[bool, str]],
    rows: dict[Name, tuple[bool, bool, bool]],
    most: int,
    drop: bytes | None,
) -> None:
    listed = {name: an_entry(name, latest=latest, etag=etag) for name, (latest, etag) in entries.items()}
    known = {
        name: a_row(latest=latest, unsettled=unsettled or missing, missing=missing)
        for name, (latest, unsettled, missing) in rows.items()
    }
    spans = merged(listed, known, most=most, drop=drop)

    assert (spans[0].within.lo, spans[-1].within.hi) == (b"", None)
    assert all(one.within.hi == other.within.lo for one, other in pairwise(spans))
    found: dict[Name, str] = {}
    for span in spans:
        changes = list(span.changes)
        keys = [*(one.key for one in changes), *span.missing, *span.seen_again, *(key for key, _, _ in span.relabelled)]
        assert all(key in span.within for key in keys)
        assert len(changes) == len(span.new)
        assert len(changes) <= most or len({one.key for one in changes}) == 1
        assert span.listed == span.unchanged + span.filtered + len(changes) + len(span.relabelled)
        assert span.digest is None
        for change, new in zip(changes, span.new, strict=True):
            assert change == listed[change.key, change.version_id]
            found[change.key, change.version_id] = "added" if new else "changed"
        found |= dict.fromkeys(zip(span.missing, span.missing_ids, strict=True), "missing")
        found |= dict.fromkeys(zip(span.seen_again, span.seen_again_ids, strict=True), "seen again")
        for key, version_id, latest in span.relabelled:
            assert latest is listed[key, version_id].is_latest
            found[key, version_id] = "relabelled"
    assert found == {name: what for name in {*listed, *known} if (what := expected(name, listed, known, drop))}
    assert sum(span.listed for span in spans) == len(listed)
    assert sum(span.known for span in spans) == len(known)


def expected(name: Name, listed: dict[Name, Entry], known: dict[Name, KnownVersion], drop: bytes | None) -> str:
    entry, row = listed.get(name), known.get(name)
    if entry is None:
        return "missing"
    if name[0] == drop:
        return "seen again" if row is not None and row.missing else ""
    if row is None:
        return "added"
    if row.unsettled or row.fingerprint[1] != entry.etag:
        return "changed"
    return "relabelled" if row.latest is not entry.is_latest else ""
