"""s3fs: `find` with details, the way in which fsspec lists a bucket whole."""

from __future__ import annotations

import s3fs

from benchmarks.peers.process import Asked, run


def _work(asked: Asked) -> int:
    files = s3fs.S3FileSystem(endpoint_url=asked.endpoint, config_kwargs={"s3": {"addressing_style": "path"}})
    return len(files.find(asked.bucket, detail=True))


if __name__ == "__main__":
    run(_work)
