"""aiobotocore: its paginator, and HEADs with as many at once as asked."""

from __future__ import annotations

import asyncio
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from benchmarks.peers.process import Asked, run


async def _work(asked: Asked) -> int:
    settings = AioConfig(max_pool_connections=asked.streams, s3={"addressing_style": "path"})
    count = 0
    async with get_session().create_client("s3", endpoint_url=asked.endpoint, config=settings) as client:
        paginator = client.get_paginator("list_objects_v2")
        async for page in paginator.paginate(Bucket=asked.bucket, PaginationConfig={"MaxItems": asked.most}):
            found = [(item["Key"], item["Size"], item["ETag"], item["LastModified"]) for item in page["Contents"]]
            count += len(found) if asked.work == "list" else await _heads(client, asked, [item[0] for item in found])
    return count


async def _heads(client: Any, asked: Asked, keys: list[str]) -> int:
    left, count = iter(keys), 0

    async def hand() -> None:
        nonlocal count
        for key in left:
            head = await client.head_object(Bucket=asked.bucket, Key=key)
            count += bool(head["ETag"])

    await asyncio.gather(*(hand() for _ in range(asked.streams)))
    return count


if __name__ == "__main__":
    run(lambda asked: asyncio.run(_work(asked)))
