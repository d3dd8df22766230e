"""boto3: its paginator, and HEADs from threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from benchmarks.peers.process import Asked, run


def _work(asked: Asked) -> int:
    settings = Config(max_pool_connections=asked.streams, s3={"addressing_style": "path"})
    client: Any = boto3.session.Session().client("s3", endpoint_url=asked.endpoint, config=settings)

    def head(key: str) -> int:
        return bool(client.head_object(Bucket=asked.bucket, Key=key)["ETag"])

    count = 0
    with ThreadPoolExecutor(asked.streams) as pool:
        paginator = client.get_paginator("list_objects_v2")
        for page in paginator.paginate(Bucket=asked.bucket, PaginationConfig={"MaxItems": asked.most}):
            found = [(item["Key"], item["Size"], item["ETag"], item["LastModified"]) for item in page["Contents"]]
            count += len(found) if asked.work == "list" else sum(pool.map(head, (item[0] for item in found)))
    return count


if __name__ == "__main__":
    run(_work)
