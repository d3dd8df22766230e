"""Requests of one connection in flight: bounded over all of its clients, and given back whatever becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from config.errors import SourceUnavailableError
from config.limits import Limits
from ingest.gate import Gates
from ingest.s3.client import Location, S3Client
from ingest.s3.transport import Answer, Places, TransportError
from tests.fakes.s3_access import FakeAccess


class Silent:
    """A transport that never answers, until it breaks."""

    def __init__(self, limits: Limits) -> None:
        self.places = Places(limits.connections_per_host)
        self.sent = 0
        self.breaks = asyncio.Event()

    async def send(
        self,
        method: str,
        origin: str,
        target: str,
        headers: Mapping[str, str],
        *,
        body: bytes = b"",
        patience_s: float | None = None,
        fresh: bool = False,
    ) -> Answer:
        self.sent += 1
        await self.breaks.wait()
        raise TransportError("Unreachable")

    async def aclose(self) -> None:
        return None


async def _turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_all_clients_of_a_connection_have_no_more_in_flight_than_it_may() -> None:
    limits = Limits(requests_per_connection=3, attempts=1)
    http, gates, share = Silent(limits), Gates(limits), asyncio.Semaphore(3)
    clients = [
        S3Client(
            http=http,
            gates=gates,
            access=FakeAccess(),
            location=Location(bucket=name, region="us-east-1", endpoint="http://127.0.0.1:1"),
            limits=limits,
            share=share,
        )
        for name in ("bucket-a", "bucket-b")
    ]
    asking = [asyncio.create_task(client.head(b"%d" % number)) for number in range(4) for client in clients]
    await _turns()
    assert http.sent == 3
    asking[-1].cancel()  # it waits
    asking[0].cancel()  # it is in flight
    await _turns()
    assert http.sent == 4
    http.breaks.set()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(result) for result in results[1:-1]] == [SourceUnavailableError] * 6
    assert (http.sent, share.locked()) == (7, False)
    for _ in range(3):
        await share.acquire()
    assert share.locked(), "as many are free as there were"


async def test_a_client_alone_has_a_bound_of_its_own() -> None:
    limits = Limits(requests_per_connection=2, attempts=1)
    http = Silent(limits)
    where = Location(bucket="bucket-a", region="us-east-1", endpoint="http://127.0.0.1:1")
    client = S3Client(http=http, gates=Gates(limits), access=FakeAccess(), location=where, limits=limits)
    asking = [asyncio.create_task(client.head(b"%d" % number)) for number in range(4)]
    await _turns()
    assert http.sent == 2
    http.breaks.set()
    with pytest.raises(SourceUnavailableError):
        await asking[0]
    await asyncio.gather(*asking, return_exceptions=True)
