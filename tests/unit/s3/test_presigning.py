"""Our signed URLs equal botocore's for any key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.session import Session as BotocoreSession
from hypothesis import given
from hypothesis import strategies as st

from credentials.session import Session
from ingest.s3.address import Location, address_of
from ingest.s3.presigning import QuerySigner

ODD_KEYS = [
    *("a", "./x", "../x", "a//b", "/a", "a/", "a+b", "a b", "a%2Fb", "%", "a?b=c&d", "a#b", "a;b", "a,b", "~a-b_c.d"),
    *(
        "a=b",
        "a:b@c",
        "!*'()",
        "é",
        "日本語.jpg",
        "🦭/🦭.png",
        "a\\b",
        "a\nb",
        "a\x00b",
        "\x7f",
        ".",
        "..",
        "a/../b",
        "a/./b",
    ),
]
_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
_TEXT = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
_MOMENTS = st.integers(946_684_800, 4_070_908_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
_PARAMETERS = st.dictionaries(
    st.sampled_from(
        [
            *("versionId", "response-content-disposition", "response-content-type"),
            *("x-amz-request-payer", "x-amz-expected-bucket-owner"),
        ]
    ),
    st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace")),
)


def _parts(url: str) -> tuple[str, dict[str, str]]:
    """Everything before the query, and the query's parameters decoded: their order is nobody's business."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
    assert len(pairs) == len(dict(pairs))
    return f"{parts.scheme}://{parts.netloc}{parts.path}", dict(pairs)


@given(
    key=st.sampled_from(ODD_KEYS).map(str.encode) | st.binary(min_size=1, max_size=200),
    parameters=_PARAMETERS,
    secret=_TEXT,
    token=st.none() | _TEXT,
    method=st.sampled_from(["GET", "HEAD"]),
    region=st.sampled_from(["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"]),
    place=st.sampled_from(["path", "virtual", "http", "port"]),
    expires_s=st.integers(1, 604_800),
    moment=_MOMENTS,
)
def test_any_url_is_signed_as_botocore_signs_it(
    key: bytes,
    parameters: Mapping[str, bytes],
    secret: str,
    token: str | None,
    method: Any,
    region: str,
    place: str,
    expires_s: int,
    moment: datetime,
) -> None:
    endpoint = {"http": "http://storage.example", "port": "https://storage.example:8443/base"}.get(place)
    location = Location(bucket="a-bucket", region=region, endpoint=endpoint, path_style=place != "virtual")
    session = Session(access_key_id="AKIDEXAMPLE", secret_access_key=secret, token=token)
    address = address_of(location, region)
    sign = QuerySigner().begin(session, address, expires_s=expires_s, now=moment.timestamp(), method=method)
    url = sign(key, tuple(parameters.items()))

    ours, query = _parts(url)
    unsigned = "&".join(pair for pair in urlsplit(url).query.split("&") if not pair.startswith("X-Amz-"))
    theirs = AWSRequest(method, f"{ours}?{unsigned}" if unsigned else ours)
    with patch("botocore.auth.get_current_datetime", return_value=moment):
        S3SigV4QueryAuth(Credentials("AKIDEXAMPLE", secret, token), "s3", region, expires=expires_s).add_auth(theirs)
    assert (ours, query) == _parts(theirs.url)
    assert unquote_to_bytes(urlsplit(url).path.removeprefix(f"{address.base}/")) == key
    assert all(query[name].encode() == value for name, value in parameters.items())


def _botocore_client(token: str | None, path_style: bool) -> Any:
    config = Config(signature_version="s3v4", s3={"addressing_style": "path" if path_style else "virtual"})
    return BotocoreSession().create_client(
        "s3",
        region_name="eu-west-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key=_SECRET,
        aws_session_token=token,
        config=config,
    )


@pytest.mark.parametrize("path_style", [False, True], ids=["virtual", "path"])
@pytest.mark.parametrize("token", [None, "FwoGZXIvYXdzE+/=="], ids=["keys", "session"])
def test_a_url_is_the_one_that_botocore_generates(token: str | None, path_style: bool) -> None:
    """The whole of generate_presigned_url, which chooses the address and the escapes by itself."""
    moment = datetime(2026, 11, 26, 4, 5, 6, tzinfo=UTC)
    client = _botocore_client(token, path_style)
    location = Location(bucket="a-bucket", region="eu-west-1", path_style=path_style)
    session = Session(access_key_id="AKIDEXAMPLE", secret_access_key=_SECRET, token=token)
    sign = QuerySigner().begin(session, address_of(location, "eu-west-1"), expires_s=900, now=moment.timestamp())
    more = {"VersionId": "3/L4+a=", "ResponseContentType": "image/png", "ResponseContentDisposition": "inline"}
    names = {
        "VersionId": "versionId",
        "ResponseContentType": "response-content-type",
        "ResponseContentDisposition": "response-content-disposition",
    }
    for key in ODD_KEYS:
        for extra in ({}, more):
            parameters = {"Bucket": "a-bucket", "Key": key, **extra}
            with patch("botocore.auth.get_current_datetime", return_value=moment):
                theirs = client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=900)
            ours = sign(key.encode(), tuple((names[name], value.encode()) for name, value in extra.items()))
            assert _parts(ours) == _parts(theirs), key
