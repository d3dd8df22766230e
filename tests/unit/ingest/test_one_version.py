"""One version is looked at as if it were all there is of its object: by its ID, and listed again among all the others."""

from __future__ import annotations

from ingest.model import Entry
from ingest.probe.head import head
from ingest.probe.looking import Change, look
from ingest.probe.one_version import OneVersion, source_of
from tests.fakes.versioned import VersionedBucket


def _many() -> VersionedBucket:
    bucket = VersionedBucket(page_keys=4)
    for number in range(11):
        bucket.put(b"k", etag=f"e{number}")
    bucket.put(b"k2")
    bucket.put(b"j")
    return bucket


def _entry(bucket: VersionedBucket, version_id: str) -> Entry:
    return next(one for one in bucket.every() if one.version_id == version_id)


async def test_a_version_is_found_again_however_many_are_newer() -> None:
    bucket = _many()
    for version_id in ("v1", "v6", "v11"):
        page = await OneVersion(bucket, version_id).list_page(prefix=b"k")
        assert list(page.entries) == [_entry(bucket, version_id)]
    for version_id in ("v12", "v99"):
        assert not (await OneVersion(bucket, version_id).list_page(prefix=b"k")).entries
    assert not (await OneVersion(bucket, "v1").list_page(prefix=b"none")).entries


async def test_what_is_asked_of_an_entry_names_its_version_if_it_has_one() -> None:
    bucket = _many()
    entry = _entry(bucket, "v3")
    answer = await source_of(bucket, entry).head(b"k")
    assert (answer.version_id, answer.etag) == ("v3", "e2")
    assert source_of(bucket, entry._replace(version_id="")) is bucket


async def test_a_null_version_that_is_overwritten_is_recorded_as_it_is_now() -> None:
    """Where versions are no longer kept, what has the ID `null` changes as any object does."""
    bucket = VersionedBucket()
    bucket.put(b"k", etag="before")
    bucket.history[b"k"] = [bucket.history[b"k"][0]._replace(version_id="null")]
    entry = _entry(bucket, "null")
    bucket.history[b"k"] = [bucket.history[b"k"][0]._replace(etag="after", size=7)]
    bucket.objects[b"k"] = (7, "after", *bucket.objects[b"k"][2:])
    result = await look(source_of(bucket, entry), Change(entry, 1), probe=head)
    assert result.asset is not None
    assert (result.outcome, result.asset.etag, result.asset.size) == ("added", "after", 7)
    assert bucket.requests.count(("head", b"k")) == 2
    assert not bucket.named  # where there are no versions, a server may know no ID


async def test_a_delete_marker_is_a_record_and_no_request() -> None:
    bucket = _many()
    marker = _entry(bucket, bucket.delete(b"k"))
    bucket.requests.clear()
    result = await look(source_of(bucket, marker), Change(marker, 1), probe=head)
    assert result.asset is not None
    assert (result.outcome, result.asset.state, result.asset.size, bucket.requests) == ("added", "present", 0, [])
