"""Our own wire client with nothing around it: signed, checked, and dropped. Listing goes by the same lister, with the compare off."""

from __future__ import annotations

import asyncio

import uvloop

from benchmarks.peers.process import CLIENT_KEYS, REGION, Asked, run
from benchmarks.shapes import SHAPES
from config.limits import Limits
from credentials.session import Session
from ingest.gate import Gates
from ingest.lister import Lister
from ingest.model import Range
from ingest.s3.address import Location
from ingest.s3.client import S3Client
from ingest.s3.http import Kind, open_http
from worker.interpreter import settle


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


async def _work(asked: Asked, kind: Kind) -> int:
    limits = Limits()
    where = Location(bucket=asked.bucket, region=REGION, endpoint=asked.endpoint)
    async with open_http(limits, kind) as http:
        client = S3Client(http=http, gates=Gates(limits), access=_Keys(), location=where, limits=limits)
        settle()
        return await (_list(client, limits) if asked.work == "list" else _heads(client, asked))


async def _list(client: S3Client, limits: Limits) -> int:
    count = 0
    lister = Lister(source=client, prefix=b"", todo=[Range()], streams=limits.list_streams, ahead=limits.list_ahead)
    async with lister.started():
        while (piece := await lister.next()) is not None:
            count += len(piece.entries)
    return count


async def _heads(client: S3Client, asked: Asked) -> int:
    left, count = iter(SHAPES[asked.shape](asked.keys).keys(0, asked.most)), 0

    async def hand() -> None:
        nonlocal count
        for key in left:
            head = await client.head(key)
            count += bool(head.etag)

    await asyncio.gather(*(hand() for _ in range(asked.streams)))
    return count


def main(kind: Kind) -> None:
    run(lambda asked: uvloop.run(_work(asked, kind)))


if __name__ == "__main__":
    main("lean")
