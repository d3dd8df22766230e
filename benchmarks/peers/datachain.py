"""DataChain: a listing of the bucket as its dataset, counted."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.peers.process import Asked, run


def _work(asked: Asked) -> int:
    with TemporaryDirectory() as folder:
        os.environ.update(
            DATACHAIN_ROOT_DIR=str(Path(folder) / "datachain"),
            DATACHAIN_NO_ANALYTICS="1",
            ITERATIVE_DO_NOT_TRACK="1",
        )
        os.chdir(folder)
        import datachain

        chain = datachain.read_storage(
            f"s3://{asked.bucket}/", update=True, client_config={"endpoint_url": asked.endpoint}
        )
        return int(chain.count())


if __name__ == "__main__":
    run(_work)
