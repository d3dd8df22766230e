"""Output is encrypted as a connection says: by the headers that botocore sends for the same."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config

from config.errors import ConnectionSetupError
from credentials.kinds import BucketSpec, parse_kept
from credentials.output import encryption_headers
from tests.unit.credentials.connections import A_ROLE

KEY = "arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OUT = {"output": "s3://acme/out/"}


class _Caught(Exception):  # noqa: N818 - it ends a request, and is no error
    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers
        super().__init__()


def _sent_by_botocore(**how: str) -> dict[str, str]:
    s3 = boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id="AKIA",
        aws_secret_access_key="secret",
        config=Config(retries={"max_attempts": 0}),
    )

    def catch(request: Any, **_: Any) -> None:
        raise _Caught({name.lower(): _text(value) for name, value in request.headers.items()})

    s3.meta.events.register("before-send.s3.PutObject", catch)
    with pytest.raises(_Caught) as caught:
        s3.put_object(Bucket="acme", Key="out/a", Body=b"a", **how)
    return {name: value for name, value in caught.value.headers.items() if "encryption" in name}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize(
    ("fields", "how"),
    [
        ({}, {}),
        (OUT, {}),
        (OUT | {"sse": "sse-s3"}, {"ServerSideEncryption": "AES256"}),
        (OUT | {"sse": "sse-kms", "kms_key_arn": KEY}, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY}),
    ],
    ids=["no output", "none", "sse-s3", "sse-kms"],
)
def test_output_is_encrypted_by_the_headers_that_botocore_sends(fields: dict[str, str], how: dict[str, str]) -> None:
    spec = parse_kept(A_ROLE | fields)
    assert isinstance(spec, BucketSpec)
    assert encryption_headers(spec) == _sent_by_botocore(**how)


@pytest.mark.acceptance("IN-07")
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (OUT | {"sse": "sse-kms"}, "kms_key_arn: is needed with sse-kms"),
        (OUT | {"sse": "sse-s3", "kms_key_arn": KEY}, "kms_key_arn: a key is for sse-kms only, and sse is sse-s3"),
        (OUT | {"kms_key_arn": KEY}, "kms_key_arn: a key is for sse-kms only, and sse is none"),
        ({"sse": "sse-s3"}, "sse: encryption is of output, and there is none"),
        (OUT | {"sse": "aes"}, "sse: is one of none, sse-s3 or sse-kms"),
        (OUT | {"sse": "sse-kms", "kms_key_arn": "1234abcd"}, "kms_key_arn: "),
        (OUT | {"sse": "sse-kms", "kms_key_arn": "arn:aws:iam::444455556666:role/a"}, "kms_key_arn: "),
    ],
)
def test_a_key_is_needed_for_sse_kms_and_for_nothing_else(fields: dict[str, str], reason: str) -> None:
    with pytest.raises(ConnectionSetupError) as caught:
        parse_kept(A_ROLE | fields)
    assert reason in caught.value.message
