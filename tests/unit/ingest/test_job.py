"""A job's payload at the border."""

from __future__ import annotations

from typing import Any

import pytest

from config.errors import JobError
from ingest.job import IngestJob, PrefixSource


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("s3://bucket", ("bucket", b"")),
        ("s3://bucket/", ("bucket", b"")),
        ("S3://bucket/a/b", ("bucket", b"a/b")),
        ("s3://bucket//a", ("bucket", b"/a")),
        ("s3://bucket/é %41+?#", ("bucket", "é %41+?#".encode())),
    ],
)
def test_a_locator_is_read_as_it_stands(uri: str, source: tuple[str, bytes]) -> None:
    assert PrefixSource.parse(uri) == source


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (None, "payload"),
        ([], "payload"),
        ({}, "uris: Field required"),
        ({"uris": []}, "at least 1"),
        ({"uris": ["https://bucket/x"]}, "write s3://bucket"),
        ({"uris": ["s3://arn:aws:s3:::bucket"]}, "not its ARN"),
        ({"uris": ["s3://Bucket"]}, "no bucket name"),
        ({"uris": ["s3://a..b"]}, "no bucket name"),
        ({"uris": ["s3://bucket/" + "x" * 1025]}, "1025 bytes"),
        ({"uris": ["s3://bucket/\ud800"]}, "no valid Unicode"),
        ({"uris": ["s3://bucket"], "depth": "media"}, "'list' or 'head'"),
        ({"uris": ["s3://bucket"], "include": [""]}, "a glob has 1"),
        ({"uris": ["s3://bucket"], "workspace": "other"}, "workspace: Extra inputs"),
    ],
)
def test_a_payload_that_can_not_be_used_says_which_field_and_why(payload: Any, says: str) -> None:
    with pytest.raises(JobError) as caught:
        IngestJob.read(payload)
    assert says in str(caught.value)


def test_an_unusable_payload_is_not_repeated_in_the_error() -> None:
    with pytest.raises(JobError) as caught:
        IngestJob.read({"uris": ["s3://bucket"], "token": "canary-secret"})
    assert "canary-secret" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_sources_that_lie_in_another_are_listed_once() -> None:
    job = IngestJob.read(
        {"uris": ["s3://b-one/a/b", "s3://b-one/a/", "s3://b-two/a/", "s3://b-one/a", "s3://b-one/b", "s3://b-one/b"]}
    )
    assert [source.uri for source in job.sources()] == ["s3://b-one/a", "s3://b-one/b", "s3://b-two/a/"]


def test_a_job_survives_its_way_through_json() -> None:
    job = IngestJob.read({"uris": ["s3://bucket/é"], "include": ["*.jpg"], "options": {"scenes": True}})
    assert IngestJob.model_validate_json(job.model_dump_json()) == job
