"""Bare listing: our own wire client, one stream, every page signed, parsed and checked, and then dropped."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from benchmarks.peers.process import CLIENT_KEYS, REGION, Asked, run
from config.settings import Limits
from credentials.session import Session
from ingest.s3.address import Location
from ingest.s3.client import S3Client
from ingest.s3.http import open_http


class _Keys:
    """An Access with one pair of keys that last."""

    def __init__(self) -> None:
        key, secret = CLIENT_KEYS.values()
        self._session = Session(access_key_id=key, secret_access_key=secret)

    async def session(self, *, min_remaining_s: float = 0.0) -> Session:
        del min_remaining_s
        return self._session

    async def reject(self, access_key_id: str) -> None:
        raise AssertionError(f"{access_key_id} was refused, though this server looks at no key")

    async def renew(self) -> None:
        raise AssertionError("this server never asks for a new session")


async def _work(asked: Asked) -> int:
    limits, count = Limits(), 0
    where = Location(bucket=asked.bucket, region=REGION, endpoint=asked.endpoint)
    async with open_http(limits) as http:
        client = S3Client(http=http, access=_Keys(), location=where, limits=limits)
        async with aclosing(client.pages(prefix=b"")) as pages:
            async for page in pages:
                count += len(page.entries)
                if count >= asked.most:
                    break
    return count


if __name__ == "__main__":
    run(lambda asked: asyncio.run(_work(asked)))
