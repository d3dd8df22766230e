"""Our signature equals botocore's for any request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote_to_bytes

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from credentials.session import Session
from ingest.s3.address import Location, address_of
from ingest.s3.sign import Signer, encode_path, encode_query

_TEXT = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
_HEADERS = st.dictionaries(
    st.sampled_from(["range", "if-match", "x-amz-checksum-mode", "x-amz-request-payer", "x-amz-expected-bucket-owner"]),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40),
)
_QUERY = st.lists(
    st.tuples(
        st.sampled_from(["prefix", "start-after", "continuation-token", "list-type", "delimiter", "versionId", "x y"]),
        st.binary(max_size=60),
    ),
    unique_by=lambda pair: pair[0],
)
_MOMENTS = st.integers(946_684_800, 4_070_908_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(
    key=st.binary(max_size=200) | st.text().map(lambda text: text.encode("utf-8", "replace")),
    query=_QUERY,
    headers=_HEADERS,
    secret=_TEXT,
    token=st.none() | _TEXT,
    method=st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE"]),
    body=st.just(b"") | st.binary(max_size=60),
    region=st.sampled_from(["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"]),
    place=st.sampled_from(["path", "virtual", "http", "port"]),
    moment=_MOMENTS,
)
def test_any_request_is_signed_as_botocore_signs_it(
    key: bytes,
    query: list[tuple[str, bytes]],
    headers: dict[str, str],
    secret: str,
    token: str | None,
    method: str,
    body: bytes,
    region: str,
    place: str,
    moment: datetime,
) -> None:
    endpoint = {"http": "http://storage.example", "port": "https://storage.example:8443/base"}.get(place)
    location = Location(bucket="a-bucket", region=region, endpoint=endpoint, path_style=place != "virtual")
    address = address_of(location, region)
    path, text = f"{address.base}/{encode_path(key)}", encode_query(query)
    session = Session(access_key_id="AKIDEXAMPLE", secret_access_key=secret, token=token)

    ours = Signer().sign(
        session,
        region=region,
        method=method,
        host=address.host,
        path=path,
        query=text,
        headers=headers,
        now=moment.timestamp(),
        body=body,
    )

    url = f"{address.origin}{path}{'?' if text else ''}{text}"
    theirs = AWSRequest(method, url, headers=dict(headers), data=body)
    theirs.context["client_config"] = Config(s3={"payload_signing_enabled": True})
    with patch("botocore.auth.get_current_datetime", return_value=moment):
        S3SigV4Auth(Credentials("AKIDEXAMPLE", secret, token), "s3", region).add_auth(theirs)
    assert ours["authorization"] == theirs.headers["Authorization"]
    assert ours["x-amz-date"] == theirs.headers["X-Amz-Date"]
    assert ours["x-amz-content-sha256"] == theirs.headers["X-Amz-Content-SHA256"]
    assert ours.get("x-amz-security-token") == theirs.headers.get("X-Amz-Security-Token")


@given(key=st.binary())
def test_a_path_says_every_byte_of_the_key_and_nothing_that_a_url_would_take_apart(key: bytes) -> None:
    path = encode_path(key)
    assert unquote_to_bytes(path) == key
    assert not set(path) & set("?#& +;:@=,'\\")
    assert path.isascii()


def test_one_signer_signs_for_several_sessions_days_and_regions_and_forgets_the_oldest_keys() -> None:
    """The derived key is kept per secret, day and region: none of them may be mixed up, and none piles up."""

    def sign(signer: Signer, secret: str, now: float, region: str) -> str:
        session = Session(access_key_id="AKID", secret_access_key=secret)
        request: dict[str, Any] = {"method": "GET", "host": "h", "path": "/", "query": ""}
        return signer.sign(session, region=region, headers={}, now=now, **request)["authorization"]

    kept = Signer()
    cases = [
        (secret, now, region)
        for secret in ("one", "two")
        for now in (0.0, 86_399.0, 86_400.0, 900_000.0)
        for region in ("us-east-1", "eu-west-1")
    ]
    for case in cases * 2:
        assert sign(kept, *case) == sign(Signer(), *case)
    assert len({sign(kept, *case) for case in cases}) == len(cases)
    assert len(kept._macs._macs) <= 8


@pytest.mark.parametrize("value", ["  a   b ", "a\tb"])
def test_spaces_inside_a_header_are_folded_before_they_are_signed(value: str) -> None:
    session = Session(access_key_id="AKID", secret_access_key="secret")
    request: dict[str, Any] = {"method": "GET", "host": "h", "path": "/", "query": "", "region": "us-east-1"}
    one = Signer().sign(session, headers={"x-amz-meta-a": value}, now=0, **request)
    other = Signer().sign(session, headers={"x-amz-meta-a": "a b"}, now=0, **request)
    assert one["authorization"] == other["authorization"]
