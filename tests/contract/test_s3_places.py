"""The wire client's sockets: what is signed for one is sent at once, and what comes over one answers what was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from config.errors import AccessDeniedError, SourceUnavailableError
from config.limits import Limits
from credentials.session import Session
from ingest.gate import Gates
from ingest.s3.client import Location, S3Client
from ingest.s3.http import open_http
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_access import FakeAccess, chosen, role_access, s3_bench, session_of
from tests.fakes.s3_cases import KEYS, ask, small_limits, ten_objects

pytestmark = pytest.mark.usefixtures("transport")


def _ends_after(s3: FakeS3, seconds: float, *, action: str = "s3:*") -> FakeAccess:
    """Sessions of an hour whose policy ends them earlier, as a TTL below that of STS is enforced."""
    role = s3.sts.add_role("arn:aws:iam::111122223333:role/reader")

    def issue() -> Session:
        until = s3.now() + seconds
        limit = {"DateLessThan": {"aws:CurrentTime": datetime.fromtimestamp(until, UTC).isoformat()}}
        allow = {"Effect": "Allow", "Action": action, "Resource": "*", "Condition": limit}
        grant = s3.sts.new_session(role, policy={"Version": "2012-10-17", "Statement": [allow]})
        return replace(session_of(grant), usable_until=until)

    return FakeAccess(issue)


@pytest.mark.parametrize("op", ["list", "head", "get"])
async def test_a_session_that_is_denied_after_its_end_is_renewed_and_nobody_is_blamed(op: str) -> None:
    s3 = ten_objects()
    async with s3, s3_bench(s3, access=_ends_after(s3, 60), limits=small_limits(attempts=1)) as bench:
        before = await ask(bench, op)
        s3.advance(61)
        assert await ask(bench, op) == before
        assert (bench.access.issued, bench.access.rejected, bench.pauses) == (2, [], [])


@pytest.mark.parametrize("op", ["head", "get"])
async def test_what_is_denied_to_a_fresh_session_too_is_denied(op: str) -> None:
    s3 = ten_objects()
    async with s3, s3_bench(s3, access=_ends_after(s3, 60, action="s3:ListBucket")) as bench:
        await ask(bench, "list")
        s3.advance(61)
        with pytest.raises(AccessDeniedError):
            await ask(bench, op)
        assert (bench.access.issued, bench.access.rejected, len(s3.requests(op))) == (2, [], 2)


async def test_a_request_is_signed_when_a_socket_is_free_and_not_before() -> None:
    """However long it waits for one, its session is that of the moment at which it is sent."""
    s3 = ten_objects()
    limits = small_limits(connections_per_host=1)
    async with s3, s3_bench(s3, access=role_access(s3, seconds=900), limits=limits) as bench:
        async with bench.client.get(KEYS[0]):
            waiting = [asyncio.create_task(bench.client.head(key)) for key in KEYS]
            for _ in range(10):
                await asyncio.sleep(0)
            assert bench.access.asked == 1
            s3.advance(901)
            await bench.access.renew()
        await asyncio.gather(*waiting)
        assert (bench.access.issued, bench.access.rejected) == (2, [])
        assert {request.status for request in s3.log} == {200}


async def test_waiting_for_a_socket_has_an_end() -> None:
    limits = small_limits(connections_per_host=1, attempts=1, request_s=0.2)
    async with ten_objects() as s3, s3_bench(s3, limits=limits) as bench:
        async with bench.client.get(KEYS[0]):
            with pytest.raises(SourceUnavailableError) as caught:
                await bench.client.head(KEYS[1])
        assert (caught.value.code, len(s3.log)) == ("TimedOut", 1)
        await bench.client.head(KEYS[1])


# -- what nobody asked for

_UNASKED = b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: "of another"\r\n\r\n'


@asynccontextmanager
async def _talkative() -> AsyncIterator[tuple[S3Client, asyncio.Event]]:
    """A client of a server that speaks behind its first answer, when told to."""
    speak = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "right"\r\n\r\n')
                if not speak.is_set():
                    await speak.wait()
                    writer.write(_UNASKED)
        except (asyncio.IncompleteReadError, OSError):
            pass  # the client hung up
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    where = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    limits = Limits(attempts=1, connections_per_host=2)
    async with server, open_http(limits, chosen.kind) as http:
        location = Location(bucket="bkt", region="us-east-1", endpoint=where)
        yield S3Client(http=http, gates=Gates(Limits()), access=FakeAccess(), location=location, limits=limits), speak


async def test_a_late_body_of_a_head_does_not_answer_the_next_request() -> None:
    async with _talkative() as (client, speak):
        assert (await client.head(b"first")).etag == "right"
        speak.set()
        await asyncio.sleep(0.05)  # for its bytes to arrive over the socket
        assert (await client.head(b"second")).etag == "right"
