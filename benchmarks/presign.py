"""How many URLs a second one process signs, beside boto3's generate_presigned_url in the same run.

python -m benchmarks.presign                 # needs no server: nothing is sent
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import boto3
from botocore.config import Config

from config.limits import Limits
from credentials.connection import Connection
from credentials.kinds import parse_kept
from credentials.session import Session
from ingest.presign import Presigner, Wanted
from ingest.s3.address import Address, Location, address_of

_REGION: Final = "eu-central-1"
_SESSION: Final = Session(
    access_key_id="ASIAIOSFODNN7EXAMPLE", secret_access_key="x" * 40, token="FwoGZXIvYXdzE" + "a+/" * 300 + "=="
)


class _Held:
    """An access that has a session already, as one has in the middle of a job."""

    async def session(self, *, min_remaining_s: float = 0.0) -> Session:
        del min_remaining_s
        return _SESSION

    async def reject(self, access_key_id: str) -> None: ...

    async def renew(self) -> None: ...


async def _known(bucket: str) -> Address:
    """Where it is, as was found out before."""
    return address_of(Location(bucket=bucket, region=_REGION), _REGION)


def _presigner() -> Presigner:
    spec = {"kind": "aws_role", "name": "acme", "role_arn": "arn:aws:iam::444455556666:role/reader"}
    places = [f"s3://acme/{name}/" for name in ("audio", "documents", "pictures", "videos")]
    kept = parse_kept({**spec, "allow": places})
    connection = Connection(
        id="acme", workspace="main", owner="main", kept_id="acme", spec=kept, version=1, created_at=0, updated_at=0
    )
    return Presigner(
        connection=connection,
        access=_Held(),
        address=_known,
        limits=Limits(),
    )


def _ours(keys: list[str]) -> list[str]:
    """Whole: scope, headers, session and signature of each, in batches as the service takes them."""
    presigner, batch = _presigner(), Limits().presign_batch

    async def sign() -> list[str]:
        urls: list[str] = []
        for first in range(0, len(keys), batch):
            wanted = [Wanted("acme", key.encode()) for key in keys[first : first + batch]]
            urls += [one.url for one in await presigner.sign(wanted)]
        return urls

    return asyncio.run(sign())


def _client() -> Any:
    config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    return boto3.client(
        "s3",
        region_name=_REGION,
        aws_access_key_id=_SESSION.access_key_id,
        aws_secret_access_key=_SESSION.secret_access_key,
        aws_session_token=_SESSION.token,
        config=config,
    )


def _boto3(client: Any, keys: list[str]) -> list[str]:
    fixed = {"Bucket": "acme", "ResponseContentDisposition": "inline"}
    return [client.generate_presigned_url("get_object", Params={**fixed, "Key": key}, ExpiresIn=900) for key in keys]


def _seconds(work: Callable[[], object]) -> float:
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _form(url: str) -> tuple[str, set[str]]:
    """What two URLs that differ in their second have in common."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}", {name for name, _ in parse_qsl(parts.query)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--urls", type=int, default=50_000, help="signed by us in each turn; boto3 signs a tenth of them"
    )
    parser.add_argument("--turns", type=int, default=5, help="each signs in turn, so that both see the same machine")
    asked = parser.parse_args()
    keys = [f"pictures/2026/11/{number % 30:02d}/frame {number:08d}é.jpg" for number in range(asked.urls)]
    few, client = keys[: max(1, len(keys) // 10)], _client()
    assert [_form(url) for url in _ours(few[:100])] == [_form(url) for url in _boto3(client, few[:100])]
    ours, theirs = [], []
    for _ in range(asked.turns):
        ours.append(len(keys) / _seconds(lambda: _ours(keys)))
        theirs.append(len(few) / _seconds(lambda: _boto3(client, few)))
    print("| | URLs a second (best) | worst |\n|---|---:|---:|")
    print(f"| longshore | {max(ours):,.0f} | {min(ours):,.0f} |")
    print(f"| boto3 {boto3.__version__} | {max(theirs):,.0f} | {min(theirs):,.0f} |")
    print(f"\nratio, turn by turn: {', '.join(f'{a / b:.1f}' for a, b in zip(ours, theirs, strict=True))}")


if __name__ == "__main__":
    main()
