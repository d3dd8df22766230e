"""Addresses are built by us alone, from names that can only be names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import RegionError, RequestRefusedError, SettingsError, SourceError
from ingest.s3.address import Location, address_of, same_partition


@pytest.mark.parametrize(
    ("bucket", "region", "path_style", "origin", "base"),
    [
        ("plain", "eu-west-1", None, "https://plain.s3.eu-west-1.amazonaws.com", ""),
        ("plain", "cn-north-1", None, "https://plain.s3.cn-north-1.amazonaws.com.cn", ""),
        ("plain", "us-gov-west-1", None, "https://plain.s3.us-gov-west-1.amazonaws.com", ""),
        ("with.dots", "eu-west-1", None, "https://s3.eu-west-1.amazonaws.com", "/with.dots"),
        ("Old_Style", "us-east-1", None, "https://s3.us-east-1.amazonaws.com", "/Old_Style"),
        ("plain", "eu-west-1", True, "https://s3.eu-west-1.amazonaws.com", "/plain"),
        ("with.dots", "eu-west-1", False, "https://with.dots.s3.eu-west-1.amazonaws.com", ""),
    ],
)
def test_aws_is_asked_at_the_regional_endpoint_of_its_partition(
    bucket: str, region: str, path_style: bool | None, origin: str, base: str
) -> None:
    address = address_of(Location(bucket=bucket, region=region, path_style=path_style), region)
    assert (address.origin, address.base) == (origin, base)
    assert address.host == origin.removeprefix("https://")


@pytest.mark.parametrize(
    ("endpoint", "path_style", "origin", "base"),
    [
        ("http://127.0.0.1:9000", None, "http://127.0.0.1:9000", "/bkt"),
        ("https://minio.example", None, "https://minio.example", "/bkt"),
        ("https://minio.example:443/", None, "https://minio.example", "/bkt"),
        ("http://minio.example:80", None, "http://minio.example", "/bkt"),
        ("https://minio.example/s3/", None, "https://minio.example", "/s3/bkt"),
        ("https://minio.example", False, "https://bkt.minio.example", ""),
        ("http://[::1]:9000", None, "http://[::1]:9000", "/bkt"),
    ],
)
def test_an_endpoint_is_asked_by_path_unless_told_otherwise(
    endpoint: str, path_style: bool | None, origin: str, base: str
) -> None:
    location = Location(bucket="bkt", region="anywhere", endpoint=endpoint, path_style=path_style)
    address = address_of(location, "anywhere")
    assert (address.origin, address.base) == (origin, base)


@pytest.mark.parametrize(
    "endpoint",
    [
        "minio.example",
        "ftp://minio.example",
        "https://",
        "https://user:secret@minio.example",
        "https://minio.example?x=1",
        "https://minio.example#x",
        "https://minio.example:port",
        "https://mini\u00f6.example",
    ],
)
def test_an_endpoint_that_is_more_or_less_than_a_server_is_refused_without_showing_it(endpoint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        address_of(Location(bucket="bkt", region="us-east-1", endpoint=endpoint), "us-east-1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "region", ["", "evil.example/#", "us-east-1.evil.example", "US-EAST-1", "us-east-1\n", "a" * 99]
)
def test_a_region_that_can_not_be_one_is_never_put_into_a_host(region: str) -> None:
    with pytest.raises(RegionError):
        address_of(Location(bucket="bkt", region="us-east-1"), region)


@pytest.mark.parametrize(
    "bucket", ["", "ab", "../x", "a..b", "a/b", "a?b", "arn:aws:s3:::b", "-abc", "abc.", "a b", "a" * 300]
)
def test_a_name_that_can_not_be_a_bucket_is_refused(bucket: str) -> None:
    with pytest.raises(RequestRefusedError, match="bucket"):
        address_of(Location(bucket=bucket, region="us-east-1"), "us-east-1")


@given(bucket=st.text(max_size=70), region=st.text(max_size=40))
def test_whatever_the_names_are_aws_is_asked_at_amazonaws_or_not_at_all(bucket: str, region: str) -> None:
    try:
        address = address_of(Location(bucket=bucket, region=region), region)
    except SourceError:
        return
    assert address.host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    assert address.origin == f"https://{address.host}"


def test_a_session_of_one_partition_is_never_taken_to_another() -> None:
    assert same_partition("us-east-1", "eu-west-1")
    assert not same_partition("us-east-1", "cn-north-1")
    assert not same_partition("us-gov-west-1", "us-east-1")
