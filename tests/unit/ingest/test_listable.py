"""How a prefix may be listed: what is tried in which order, and what is said when nothing works."""

from __future__ import annotations

import pytest

from config.errors import AccessDeniedError, ListConditionError, SourceUnavailableError
from ingest.listable import listing_shape
from tests.fakes.folders import FolderBucket

PLAIN, SLASH = b"", b"/"


def only(*allowed: tuple[bytes, bytes]) -> FolderBucket:
    return FolderBucket({b"videos/a", b"videos.txt"}, allows=lambda prefix, delimiter: (prefix, delimiter) in allowed)


@pytest.mark.parametrize(
    ("prefix", "allowed", "kind", "asked"),
    [
        (b"videos/", (b"videos/", PLAIN), "flat", [(b"videos/", PLAIN)]),
        (b"videos/", (b"videos/", SLASH), "walk", [(b"videos/", PLAIN), (b"videos/", SLASH)]),
        (b"", (b"", SLASH), "walk", [(b"", PLAIN), (b"", SLASH)]),
        (b"videos", (b"", SLASH), "walk", [(b"videos", PLAIN), (b"", SLASH)]),
        (b"videos", (b"videos/", PLAIN), "denied", [(b"videos", PLAIN), (b"", SLASH), (b"videos/", PLAIN)]),
        (
            b"a/videos",
            (b"a/videos/", SLASH),
            "denied",
            [(b"a/videos", PLAIN), (b"a/", SLASH), (b"a/videos/", PLAIN), (b"a/videos/", SLASH)],
        ),
        (b"videos/", (b"other/", PLAIN), "denied", [(b"videos/", PLAIN), (b"videos/", SLASH)]),
    ],
)
async def test_each_way_is_tried_once_by_one_request(
    prefix: bytes, allowed: tuple[bytes, bytes], kind: str, asked: list[tuple[bytes, bytes]]
) -> None:
    bucket = only(allowed)
    shape = await listing_shape(bucket, prefix)
    assert shape.kind == kind
    assert [one[:2] for one in bucket.asked] == asked
    worked = kind != "denied" or shape.instead is not None
    assert list(shape.refused) == (asked[:-1] if worked else asked)


async def test_what_is_known_to_be_denied_is_not_asked_again_and_what_is_out_of_scope_never() -> None:
    bucket = only((b"", SLASH))
    shape = await listing_shape(bucket, b"videos", permits=bool, denied=AccessDeniedError("no"))
    assert shape.kind == "denied"
    assert [one[:2] for one in bucket.asked] == [(b"videos/", PLAIN), (b"videos/", SLASH)]


async def test_a_storage_that_fails_says_nothing_of_conditions() -> None:
    def fails(_prefix: bytes, _delimiter: bytes) -> bool:
        raise SourceUnavailableError("down")

    with pytest.raises(SourceUnavailableError):
        await listing_shape(FolderBucket([], allows=fails), b"videos/")


async def test_the_refusal_names_the_condition_and_the_source_that_would_work() -> None:
    refusal = (await listing_shape(only((b"videos/", PLAIN)), b"videos")).refusal("bkt")
    assert type(refusal) is ListConditionError
    assert refusal.code == "ListCondition"
    for words in (
        "LIST s3://bkt/videos:",
        "s3:prefix allows that and not 'videos'",
        "Name s3://bkt/videos/ as the source",
    ):
        assert words in refusal.message


async def test_the_refusal_of_everything_says_what_was_tried() -> None:
    refusal = (await listing_shape(only(), b"videos/")).refusal("bkt")
    assert type(refusal) is AccessDeniedError
    assert refusal.code == "AccessDenied"
    assert "prefix='videos/' and prefix='videos/' with delimiter='/'" in refusal.message
    assert "a condition on s3:prefix that lacks 'videos/'" in refusal.message


async def test_an_account_that_has_a_problem_is_asked_in_no_other_way() -> None:
    problem = AccessDeniedError("no", code="AccountProblem")

    def allows(_prefix: bytes, _delimiter: bytes) -> bool:
        raise problem

    bucket = FolderBucket([], allows=allows)
    shape = await listing_shape(bucket, b"videos")
    assert (shape.kind, shape.refusal("bkt")) == ("denied", problem)
    assert len(bucket.asked) == 1
