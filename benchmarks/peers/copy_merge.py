"""A plain script: COPY to a stage and one INSERT ... ON CONFLICT for each batch, into the same table. It keeps no account of anything."""

from __future__ import annotations

from itertools import islice

import asyncpg
import uvloop

from benchmarks.peers.process import Asked, run
from benchmarks.peers.rows import NAMES, PAGES, pages
from config.database import open_database

_EVERY = ("connection_id", "bucket", "version_id", "run_id", "first_seen_at", "changed_at")
_CHANGED = ", ".join(f"{name} = excluded.{name}" for name in (*NAMES[1:], "run_id", "changed_at"))
_MERGE = (
    f"INSERT INTO assets ({', '.join((*_EVERY, *NAMES))}) SELECT 'c', 'bucket-a', '', 'r', 1, 1, {', '.join(NAMES)} "
    f"FROM stage ON CONFLICT (connection_id, bucket, key, version_id) DO UPDATE SET {_CHANGED}"
)


async def _work(asked: Asked) -> int:
    async with open_database(asked.endpoint):
        pass  # so that the tables are there
    every = pages(asked)
    connection = await asyncpg.connect(asked.endpoint)
    try:
        columns = ", ".join(f"{name} {({'key': 'bytea', 'size': 'bigint'}).get(name, 'text')}" for name in NAMES)
        await connection.execute(f"CREATE TEMPORARY TABLE stage ({columns}) ON COMMIT DELETE ROWS")
        while batch := list(islice(every, PAGES)):
            rows = [row for page in batch for row in zip(*page, strict=True)]
            async with connection.transaction():
                await connection.copy_records_to_table("stage", records=rows, columns=list(NAMES))
                await connection.execute(_MERGE)
        return int(await connection.fetchval("SELECT count(*) FROM assets"))
    finally:
        await connection.close()


if __name__ == "__main__":
    run(lambda asked: uvloop.run(_work(asked)))
