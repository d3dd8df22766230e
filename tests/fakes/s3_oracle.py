"""aiobotocore before the fake: what the world's own client makes of its answers, and what botocore signs."""

from __future__ import annotations

import functools
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.fakes.sts import OPERATOR_KEY, OPERATOR_SECRET, Grant


@functools.cache
def _session() -> Any:
    """One for all clients: it loads the service models once. It keeps no connection and no loop."""
    return get_session()


async def client_of(
    stack: AsyncExitStack, service: str, url: str, grant: Grant | None = None, *, region: str = "us-east-1"
) -> Any:
    """With the operator's keys unless a grant is given; it tries once."""
    client = _session().create_client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=grant.access_key_id if grant else OPERATOR_KEY,
        aws_secret_access_key=grant.secret if grant else OPERATOR_SECRET,
        aws_session_token=grant.token if grant else None,
        config=AioConfig(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    return await stack.enter_async_context(client)


async def refused(answer: Any) -> tuple[str, str]:
    """Code and message of an error that must come."""
    with pytest.raises(ClientError) as caught:
        await answer
    error = caught.value.response["Error"]
    return str(error["Code"]), str(error.get("Message", ""))


def presigned(url: str, grant: Grant, *, lasts_s: int = 900, region: str = "us-east-1", method: str = "GET") -> str:
    """The URL as botocore presigns it, at this machine's time."""
    credentials = Credentials(grant.access_key_id, grant.secret, grant.token)
    request = AWSRequest(method=method, url=url)
    S3SigV4QueryAuth(credentials, "s3", region, expires=lasts_s).add_auth(request)
    return str(request.url)
