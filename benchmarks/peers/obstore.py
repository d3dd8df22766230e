"""obstore (Rust behind Python): its listing as Arrow where that is here, else as dicts; HEADs from asyncio."""

from __future__ import annotations

import asyncio
import os
import sys
from importlib.util import find_spec
from typing import Any

import obstore
from obstore.store import S3Store

from benchmarks.peers.process import Asked, run

_ARROW = find_spec("arro3") is not None


async def _work(asked: Asked) -> int:
    store = S3Store(
        asked.bucket, endpoint=asked.endpoint, virtual_hosted_style_request=False, client_options={"allow_http": True}
    )
    count = 0
    as_arrow = _ARROW and asked.work == "list"
    async for found in obstore.list(store, chunk_size=1000, return_arrow=as_arrow):
        rows: Any = found
        if asked.work == "list":
            count += rows.num_rows if as_arrow else len(rows)
        else:
            count += await _heads(store, asked, [row["path"] for row in rows])
        if count >= asked.most:
            break
    return count


async def _heads(store: Any, asked: Asked, keys: list[str]) -> int:
    left, count = iter(keys), 0

    async def hand() -> None:
        nonlocal count
        for key in left:
            head = await obstore.head_async(store, key)
            count += bool(head["e_tag"])

    await asyncio.gather(*(hand() for _ in range(asked.streams)))
    return count


if __name__ == "__main__":
    run(lambda asked: asyncio.run(_work(asked)))
    sys.stdout.flush()
    os._exit(0)  # its threads now and then abort the process when the interpreter takes itself apart under them
