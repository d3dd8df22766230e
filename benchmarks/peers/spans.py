"""Our own commits and nothing around them: rows that need no listing, through the fence, with their spans and their counts."""

from __future__ import annotations

from itertools import islice

import sqlalchemy as sa
import uvloop

from benchmarks.peers.process import Asked, run
from benchmarks.peers.rows import PAGES, pages
from config.database import open_database
from config.limits import Limits
from ingest.catalog.assets import Place, Records
from ingest.catalog.catalog import Catalog
from ingest.catalog.shards import Usage
from ingest.catalog.spans import Span
from ingest.catalog.tables import assets
from ingest.compare import Merged
from ingest.job import IngestJob
from ingest.model import Range


async def _work(asked: Asked) -> int:
    place, every = Place("c", asked.bucket), pages(asked)
    async with open_database(asked.endpoint) as database:
        catalog = Catalog(database=database, workspace="main", limits=Limits())
        job = IngestJob.read({"uris": [f"s3://{asked.bucket}"], "depth": "list"})
        await catalog.create_run(job, connection_id="c", origin="ingest")
        claimed = await catalog.claim(owner="bench")
        assert claimed is not None
        shard, low = claimed[0], None
        while columns := list(islice(every, PAGES)):
            spans = []
            for page in columns:
                merged = Merged(within=Range(low, page[0][-1]), listed=len(page[0]))
                spans.append(Span(source=0, merged=merged, records=Records(page), outcomes={"added": len(page[0])}))
                low = page[0][-1]
            shard = await catalog.commit(shard, spans, place=place, usage=Usage(list=len(spans)))
        return await database.read(lambda tx: tx.execute(sa.select(sa.func.count()).select_from(assets)).scalar_one())


if __name__ == "__main__":
    run(lambda asked: uvloop.run(_work(asked)))
