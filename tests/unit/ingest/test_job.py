"""A job's payload at the border."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.errors import JobError
from config.limits import Limits
from ingest.job import IngestJob, PrefixSource
from ingest.naming import Named


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


def nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels - 1):
        value = {"x": value}
    return value


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (None, "payload"),
        ([], "payload"),
        ({}, "uris: Field required"),
        ({"uris": []}, "at least 1"),
        ({"uris": ["http://bucket/x"]}, "write s3://bucket"),
        ({"uris": ["https://acme.s3.eu-west-1.amazonaws.com/a.jpg"]}, "write s3://acme/a.jpg"),
        ({"uris": ["https://user:hunter2@files.example.com/x"]}, "before the @"),
        ({"uris": ["https://files.example.com/x#y"]}, "no fragment"),
        ({"uris": ["https://files.example.com:99999/x"]}, "port from 1 to 65535"),
        ({"uris": ["https://files.example.com/a/../b"]}, "as a part"),
        ({"uris": ["https://files.example.com/a b"]}, "%20"),
        ({"uris": ["https://files.example.com/x?X-Amz-Signature=abc"]}, "is a secret"),
        ({"uris": ["https://files.example.com/x", "s3://bucket/x"]}, "and not both"),
        ({"uris": ["https://files.example.com/x"], "depth": "list"}, "can't be listed"),
        ({"uris": ["https://files.example.com/x"], "tags": True}, "tags is for buckets"),
        ({"uris": ["https://files.example.com/x"], "versions": "all"}, "leave it out"),
        ({"uris": ["https://files.example.com/x"], "include": ["*.jpg"]}, "nothing to include"),
        ({"uris": ["s3://bucket"], "exact": True}, "names a bucket and no object"),
        ({"uris": ["s3://bucket/a"], "exact": True, "depth": "list"}, "depth list does not"),
        ({"uris": ["https://files.example.com/x"] * 5_001}, "5001 are more than 5000"),
        ({"uris": ["s3://bucket/x"] * 5_001, "exact": True}, "5001 are more than 5000"),
        (
            {"uris": ["s3://bucket/" + "x" * 1012] * 257, "exact": True},
            "263168 characters are more than 262144; send several",
        ),
        ({"uris": ["s3://arn:aws:s3:::bucket"]}, "not its ARN"),
        ({"uris": ["s3://Bucket"]}, "no bucket name"),
        ({"uris": ["s3://a..b"]}, "no bucket name"),
        ({"uris": ["s3://bucket/" + "x" * 1025]}, "1025 bytes"),
        ({"uris": ["s3://bucket/\ud800"]}, "no valid Unicode"),
        ({"uris": ["s3://bucket"], "depth": "deep"}, "'list', 'head', 'media' or 'content'"),
        ({"uris": ["s3://bucket"], "include": [""]}, "a glob has 1"),
        ({"uris": ["s3://bucket"], "include": ["[]"]}, "the set [] names no character"),
        ({"uris": ["s3://bucket"], "include": ["\ud800"]}, "include: it holds half"),
        ({"uris": ["s3://bucket"], "workspace": "other"}, "workspace: Extra inputs"),
        ({"uris": ["s3://bucket"], "options": {"x": float("nan")}}, "options: nan is no JSON number"),
        ({"uris": ["s3://bucket"], "options": {"x": [float("-inf")]}}, "options: -inf is no JSON number"),
        ({"uris": ["s3://bucket"], "options": {"x": "a\ud800"}}, "options: it holds half of a surrogate pair"),
        ({"uris": ["s3://bucket"], "options": {"\udc80": 1}}, "options: it holds half of a surrogate pair"),
        ({"uris": ["s3://bucket"], "options": {"x": 10**4000}}, "options: it holds a number of more than 1000 digits"),
        ({"uris": ["s3://bucket"], "options": nested(33)}, "options: nested deeper than 32"),
        ({"uris": ["s3://bucket"], "options": nested(100_000)}, "options: nested deeper than 32"),
        ({"uris": ["s3://bucket"] * 1001}, "uris: 1001 are more than 1000; send several jobs"),
        ({"uris": ["s3://bucket"], "include": ["a"] * 60, "exclude": ["b"] * 41}, "101 globs are more than 100"),
        ({"uris": ["s3://bucket"], "include": ["a" * 512] * 33}, "16896 characters are more than 16384"),
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


@pytest.mark.parametrize(
    "name",
    [
        *(
            "token",
            "Access_Token",
            "access-token",
            "X-OSS-Signature",
            "x-api-key",
            "APIKEY",
            "auth_token",
            "Authorization",
            "password",
            "passwd",
        ),
        *(
            "secret",
            "jwt",
            "sig",
            "Signature",
            "client_secret",
            "hdnts",
            "sas",
            "Key-Pair-Id",
            "X-Amz-Credential",
            "x-goog-date",
            "to%6ben",
            "_token",
        ),
    ],
)
@pytest.mark.parametrize("query", ["{}=canary", "v=1&{}=canary", "v=1;{}=canary", "{}"])
def test_an_address_that_is_a_secret_is_not_kept(name: str, query: str) -> None:
    with pytest.raises(JobError, match=r"is a secret, .* kept and shown: .* name a connection") as caught:
        IngestJob.read({"uris": [f"https://files.example.com/x?{query.format(name)}"]})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "v=1",
        "keyword=a",
        "tokens=2",
        "monkey=1",
        "versionId=a",
        "signed=1",
        "policy-holder=x",
        "key=a/b.jpg",
        "auth=0",
        "page_token=3",
        "=a",
        "&;",
    ],
)
def test_an_address_with_another_query_is_an_object(query: str) -> None:
    uri = f"https://files.example.com/x?{query}"
    assert IngestJob.read({"uris": [uri]}).uris == [uri]


@pytest.mark.parametrize(
    "uri",
    [
        "https://acme.s3.amazonaws.com/a.jpg?X-Amz-Signature=canary",
        "https://s3.amazonaws.com/acme?token=canary",
        "http://me:canary@files.example.com/x",
        "s3://AKIA:canary@bucket/x",
        "ftp://files.example.com/?canary",
        "s3://bucket/" + "x" * 1025 + "?canary",
        "s3://Bucket?canary",
    ],
)
def test_what_is_no_locator_is_told_without_what_may_be_a_secret(uri: str) -> None:
    with pytest.raises(JobError) as caught:
        IngestJob.read({"uris": [uri]})
    assert "canary" not in f"{caught.value!r}"


def test_sources_that_lie_in_another_are_listed_once() -> None:
    job = IngestJob.read(
        {"uris": ["s3://b-one/a/b", "s3://b-one/a/", "s3://b-two/a/", "s3://b-one/a", "s3://b-one/b", "s3://b-one/b"]}
    )
    assert [source.uri for source in job.sources()] == ["s3://b-one/a", "s3://b-one/b", "s3://b-two/a/"]


def test_objects_that_are_named_are_one_source_for_each_bucket_each_once_and_in_order() -> None:
    uris = ["s3://b-two/x", "s3://b-one/photos/é2.jpg", "s3://b-one/photos/è1.jpg", "s3://b-two/x"]
    job = IngestJob.read({"uris": uris, "exact": True})
    assert job.named == [
        Named("b-one", b"photos/", ("photos/è1.jpg".encode(), "photos/é2.jpg".encode())),
        Named("b-two", b"x", (b"x",)),
    ]
    assert [source.uri for source in job.sources()] == ["s3://b-one/photos/", "s3://b-two/x"]
    assert list(job.places()) == [(one.bucket, one.keys) for one in job.named]


def test_addresses_are_objects_of_their_server_however_they_are_written() -> None:
    uris = [
        "https://Files.Example.com:443/a%20b?v=2",
        "HTTPS://files.example.com/a%20b?v=2",
        "https://files.example.com:8443",
    ]
    job = IngestJob.read({"uris": uris})
    assert job.names_objects
    assert job.named == [
        Named("https://files.example.com", b"/a%20b?v=2", (b"/a%20b?v=2",)),
        Named("https://files.example.com:8443", b"/", (b"/",)),
    ]
    assert [source.uri for source in job.sources()] == [
        "https://files.example.com/a%20b?v=2",
        "https://files.example.com:8443/",
    ]


KEYS = st.sets(st.binary(min_size=1, max_size=3), min_size=1, max_size=12)


@given(KEYS, st.data())
def test_ranges_around_named_objects_hold_these_and_no_others(keys: set[bytes], data: st.DataObject) -> None:
    named = Named("b", b"", tuple(sorted(keys)))
    some = data.draw(st.sets(st.sampled_from(named.keys)))
    found = named.around(some)
    assert [key for part in found for key in named.within(part)] == sorted(some)
    assert all(one.hi is not None and (other.lo is not None and one.hi < other.lo) for one, other in pairwise(found))


def test_a_job_survives_its_way_through_json() -> None:
    job = IngestJob.read({"uris": ["s3://bucket/é"], "include": ["*.jpg"], "options": {"scenes": True}})
    assert IngestJob.model_validate_json(job.model_dump_json()) == job


def test_a_job_is_held_to_the_limits_as_they_are_set_and_one_that_is_kept_is_not() -> None:
    """Whoever lowers a limit must still be able to read the runs that there are."""
    job = IngestJob.read({"uris": ["s3://bucket"] * 3, "include": ["a", "b"], "options": nested(32)})
    for limits in (
        Limits(prefixes_per_job=2),
        Limits(uri_characters_per_job=32),
        Limits(globs_per_job=1),
        Limits(options_depth=31),
    ):
        with pytest.raises(JobError):
            IngestJob.read(job.model_dump(), limits=limits)
    many = IngestJob.read({"uris": ["s3://bucket"] * 1001}, limits=Limits(prefixes_per_job=1001))
    assert IngestJob.kept(many.model_dump_json()) == many
    assert IngestJob.kept(many.model_dump_json()) is IngestJob.kept(many.model_dump_json())  # it is checked once


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=()), max_size=3), ANYTHING, max_size=3))
@example({"x": 10**999, "y": -(10**999), "z": 1e308, "a": -0.0, "b": 5e-324, "nul": "\0"})
@example(nested(32))
def test_what_is_accepted_is_the_same_when_it_is_read_back(options: dict[str, Any]) -> None:
    """Else the same body again would be another job."""
    try:
        job = IngestJob.read({"uris": ["s3://bucket"], "options": options})
    except JobError as error:
        assert error.code == "BadJob"  # noqa: PT017 - either outcome is right
        return
    assert IngestJob.kept(job.model_dump_json()) == job
