"""What every request of the wire client does and does not do, whatever it asks for."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import aiohttp
import pytest

from config.errors import (
    AccessDeniedError,
    RequestRefusedError,
    SourceError,
)
from credentials.session import Session
from ingest.events import RequestMade
from tests.fakes.s3_access import FakeAccess, chosen, role_access, s3_bench
from tests.fakes.s3_cases import KEYS, ask, keys_of, small_limits, ten_objects
from tests.fakes.s3_faults import Fault

pytestmark = pytest.mark.usefixtures("transport")


async def test_requester_pays_and_the_expected_owner_are_said_on_every_request() -> None:
    s3 = ten_objects()
    s3.buckets["bkt"].requester_pays = True
    async with s3:
        async with s3_bench(s3, requester_pays=True, expected_owner="111122223333") as bench:
            for op in ("list", "head", "get"):
                await ask(bench, op)
        async with s3_bench(s3) as bench:
            with pytest.raises(AccessDeniedError):
                await keys_of(bench)
        async with s3_bench(s3, requester_pays=True, expected_owner="444455556666") as bench:
            with pytest.raises(AccessDeniedError):
                await bench.client.head(KEYS[0])


async def test_a_reader_who_has_enough_leaves_the_rest_and_it_is_no_error() -> None:
    s3 = ten_objects()
    s3.put("bkt", b"o", bytes(10_000_000))
    async with s3, s3_bench(s3) as bench:
        async with bench.client.get(b"o") as body:
            async for _ in body.chunks():
                break
        assert bench.outcomes == [("get", "ok")]
        await bench.client.head(KEYS[0])


async def test_the_readers_own_error_and_time_out_stay_what_they_are() -> None:
    """What goes wrong in the block is not taken for the storage's doing."""
    async with ten_objects() as s3, s3_bench(s3) as bench:
        for error in (TimeoutError("mine"), OSError("mine"), ValueError("mine")):
            with pytest.raises(type(error), match="mine"):
                async with bench.client.get(KEYS[0]):
                    raise error


async def test_a_request_that_is_cancelled_ends_and_frees_its_connection() -> None:
    async with ten_objects() as s3, s3_bench(s3, limits=small_limits(connections_per_host=1)) as bench:
        s3.faults.add(Fault(kind="hang", op="head"))
        task = asyncio.create_task(bench.client.head(KEYS[0]))
        await s3.faults.reached("hang")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bench.outcomes == [("head", "Cancelled")]
        await bench.client.head(KEYS[0])


@pytest.mark.parametrize("etag", ['a"b', "a\r\nx-evil: 1", "", "\u00fc"])
async def test_an_etag_that_would_break_out_of_its_header_is_refused(etag: str) -> None:
    async with ten_objects() as s3, s3_bench(s3) as bench:
        with pytest.raises(RequestRefusedError):
            await bench.client.head(KEYS[0], if_match=etag)
        with pytest.raises(RequestRefusedError):
            await bench.client.head(b"")
        assert s3.log == []


async def test_every_attempt_is_told_once_with_the_bytes_it_read() -> None:
    async with ten_objects() as s3, s3_bench(s3) as bench:
        s3.faults.add(Fault(kind="error", op="get", status=500, code="InternalError"))
        await ask(bench, "get")
        assert bench.outcomes == [("get", "InternalError"), ("get", "ok")]
        last = bench.events[-1]
        assert getattr(last, "bytes_read", None) == len(b"body of p/000")


async def test_a_compressed_object_comes_as_it_is_stored() -> None:
    s3 = ten_objects()
    packed = gzip.compress(b"x" * 100_000)
    s3.put("bkt", b"o.gz", packed, headers={"Content-Encoding": "gzip"})
    async with s3, s3_bench(s3) as bench, bench.client.get(b"o.gz") as body:
        assert await body.read() == packed
        assert body.head.headers["content-encoding"] == "gzip"


async def test_neither_proxies_from_the_environment_nor_cookies_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with ten_objects() as s3, s3_bench(s3) as bench:
        s3.faults.add(Fault(kind="headers", headers={"Set-Cookie": "a=b; Path=/"}, times=0))
        for _ in range(2):
            await ask(bench, "head")
        assert "cookie" not in s3.requests("head")[1].headers
        assert s3.requests("head")[1].headers["accept-encoding"] == "identity"


async def test_a_head_that_is_refused_without_a_word_may_be_meant_for_another_region() -> None:
    """400 and nothing else: a GET is asked for the reason, and where it names none, the bucket where it is, without a signature."""
    s3 = ten_objects()
    s3.buckets["bkt"].region = "eu-west-1"
    s3.dialect.region_error = "bare"
    async with s3, s3_bench(s3, access=role_access(s3)) as bench:
        s3.faults.add(Fault(kind="answer", op="head", status=400))
        await ask(bench, "head")
        assert bench.client.region == "eu-west-1"
        assert (len(s3.requests("head")), len(s3.requests("get")), bench.access.rejected) == (2, 1, [])
        [asked] = s3.requests("head_bucket")
        assert "authorization" not in asked.headers
        assert "x-amz-security-token" not in asked.headers


@pytest.mark.parametrize("kind", ["not_http", "hang", "reset", "cut", "chunked_cut", "stall"])
@pytest.mark.parametrize("op", ["list", "get"])
async def test_no_error_of_the_http_library_with_the_request_in_it_hangs_on_ours(op: Any, kind: str) -> None:
    """Whoever logs an error with all that led to it must not log the token."""
    token, limits = "canary-of-a-token", small_limits(attempts=1, first_byte_s=0.05, idle_s=0.05)
    session = Session(access_key_id="AKIACANARY", secret_access_key="canary-of-a-secret", token=token)
    s3 = ten_objects(verify=False)
    async with s3, s3_bench(s3, access=FakeAccess(lambda: session), limits=limits) as bench:
        s3.faults.add(Fault(kind=kind, op=op, times=0))
        with pytest.raises(SourceError) as caught:
            await ask(bench, op)
        led: list[BaseException] = [caught.value]
        for error in led:
            led += [one for one in (error.__cause__, error.__context__) if one is not None and one not in led]
            assert "canary" not in (repr(error) + repr(error.args) + repr(vars(error))).lower()
            assert not isinstance(error, aiohttp.ClientError)


async def test_a_token_of_any_shape_that_a_server_echoes_is_taken_out() -> None:
    session = Session(access_key_id="minio-user-1", secret_access_key="plain-secret", token="eyJhbGciOi.J9.x-y_z")
    async with ten_objects() as s3, s3_bench(s3, access=FakeAccess(lambda: session)) as bench:
        said = f"we got {session.token} and guess {session.secret_access_key}"
        s3.faults.add(Fault(kind="error", status=403, code="AccessDenied", message=said, times=0))
        with pytest.raises(AccessDeniedError, match="we got") as caught:
            await ask(bench, "get")
        assert str(session.token) not in str(caught.value)
        assert session.secret_access_key not in str(caught.value)


async def test_an_attempt_that_a_kept_connection_lost_is_told_like_any_other() -> None:
    """aiohttp repeats such a request by itself, and tells nobody."""
    async with ten_objects() as s3, s3_bench(s3) as bench:
        await ask(bench, "head")
        s3.faults.add(Fault(kind="reset", op="head"))
        await ask(bench, "head")
        outcomes = [event.outcome for event in bench.events if isinstance(event, RequestMade)]
        assert len(s3.requests("head")) == 3
        assert outcomes == (["ok", "ConnectionLost", "ok"] if chosen.kind == "lean" else ["ok", "ok"])
