"""What the contract tests of the wire client share: a bucket of ten objects, and the three things that can be asked of it."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from config.limits import Limits
from ingest.model import Page, Range
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_access import Bench

KEYS = [f"p/{number:03d}".encode() for number in range(10)]


def ten_objects(**fields: Any) -> FakeS3:
    s3 = FakeS3(**fields)
    s3.create_bucket("bkt")
    for key in KEYS:
        s3.put("bkt", key, b"body of " + key)
    return s3


async def pages_of(
    bench: Bench, *, prefix: bytes = b"p/", within: Range | None = None, delimiter: bytes = b""
) -> list[Page]:
    async with aclosing(bench.client.pages(prefix=prefix, within=within, delimiter=delimiter)) as pages:
        return [page async for page in pages]


async def keys_of(bench: Bench, *, prefix: bytes = b"p/", within: Range | None = None) -> list[bytes]:
    return [entry.key for page in await pages_of(bench, prefix=prefix, within=within) for entry in page.entries]


def small_limits(**fields: Any) -> Limits:
    return Limits(**{"attempts": 3, "page_keys": 4, **fields})


async def ask(bench: Bench, op: str, **fields: Any) -> bytes:
    if op == "list":
        return b"".join(await keys_of(bench))
    if op == "head":
        return (await bench.client.head(KEYS[0], **fields)).etag.encode()
    async with bench.client.get(KEYS[0], **fields) as body:
        return await body.read()
