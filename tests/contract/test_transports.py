"""What both transports promise, on both loops: one answer to one request, whole or an error, and no socket left behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.limits import Limits
from ingest.s3.http import open_http
from ingest.s3.transport import Answer, Transport, TransportError
from tests.fakes.s3_access import chosen
from tests.fakes.script import Script, Server, Talk, always, scripted

ON_BOTH_LOOPS = True
pytestmark = pytest.mark.usefixtures("transport")

OK = b"HTTP/1.1 200 OK\r\n"
FIVE = OK + b"Content-Length: 5\r\nETag: x\r\n\r\nhello"
HEADED = OK + b"Content-Length: 5\r\nETag: x\r\n\r\n"


@asynccontextmanager
async def talking(script: Script, **fields: Any) -> AsyncGenerator[tuple[Transport, Server]]:
    """A transport and the server it will ask. `fields`: those of Limits."""
    limits = Limits(**fields)
    async with scripted(script) as server, open_http(limits, chosen.kind) as http:
        yield http, server


async def ask(http: Transport, server: Server, method: str = "GET", target: str = "/") -> Answer:
    try:
        return await http.send(method, server.origin, target, {"host": "x"})
    except TransportError as error:
        if not error.stale:
            raise
    return await http.send(method, server.origin, target, {"host": "x"}, fresh=True)  # as the wire client does


async def read(http: Transport, server: Server, method: str = "GET") -> tuple[int, bytes]:
    """One answer, whole."""
    answer = await ask(http, server, method)
    try:
        return answer.status, await answer.all(1 << 20)
    finally:
        answer.leave()


async def code_of(asking: Any) -> str:
    with pytest.raises(TransportError) as caught:
        await asking
    return caught.value.code


# -- whole answers

WHOLE = [
    pytest.param(FIVE, b"hello", 1, id="length"),
    pytest.param(
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", b"hello", 1, id="chunks"
    ),
    pytest.param(
        OK + b"transfer-encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n", b"hello", 1, id="trailers"
    ),
    pytest.param(OK + b"Content-Length: 0\r\n\r\n", b"", 1, id="empty"),
    pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", b"", 1, id="204"),
    pytest.param(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"", 1, id="304"),
    pytest.param(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n" + FIVE, b"hello", 1, id="interim"),
    pytest.param(OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello", b"hello", 2, id="close"),
    pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", 2, id="old"),
    pytest.param(
        b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello", b"hello", 1, id="old-kept"
    ),
]


@pytest.mark.parametrize(("said", "body", "connections"), WHOLE)
async def test_an_answer_is_read_whole_and_its_connection_used_again_where_that_is_allowed(
    said: bytes, body: bytes, connections: int
) -> None:
    async with talking(always(said)) as (http, server):
        for _ in range(2):
            assert (await read(http, server))[1] == body
        assert server.connections == connections


@pytest.mark.parametrize(("said", "body", "connections"), WHOLE)
async def test_an_answer_is_the_same_however_it_is_cut(said: bytes, body: bytes, connections: int) -> None:
    del connections
    async with talking(always(*[bytes([byte]) for byte in said])) as (http, server):
        assert (await read(http, server))[1] == body


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(size=st.integers(0, 700_000), cut=st.integers(1, 300_000), chunked=st.booleans())
async def test_large_bodies_come_whole_all_at_once_and_piece_by_piece(size: int, cut: int, chunked: bool) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    parts = [body[at : at + cut] for at in range(0, size, cut)]
    framed = [b"%x\r\n%s\r\n" % (len(part), part) for part in parts] + [b"0\r\n\r\n"]
    head = OK + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % size)
    async with talking(always(head, *(framed if chunked else parts)), body_ahead_bytes=4096) as (http, server):
        assert (await read(http, server))[1] == body
        answer = await ask(http, server)
        assert b"".join([part async for part in _pieces(answer)]) == body
        assert answer.bytes_read == size
        answer.leave()
        assert server.connections == 1


async def _dropped(answer: Answer) -> None:
    """Read to its end, piece by piece."""
    try:
        while await answer.some():
            pass
    finally:
        answer.leave()


async def _pieces(answer: Answer) -> AsyncGenerator[bytes]:
    while part := await answer.some():
        yield part


async def test_a_body_may_end_with_the_connection_if_the_server_says_so() -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(OK + b"Connection: close\r\n\r\n", b"hel", b"lo")

    async with talking(script) as (http, server):
        for _ in range(2):
            assert await read(http, server) == (200, b"hello")
        assert server.connections == 2


async def test_such_a_body_is_torn_where_the_connection_is_reset_or_falls_silent() -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(OK + b"Connection: close\r\n\r\n", b"hel")
        if talk.number == 1:
            await talk.gone()
        else:
            talk.reset()

    async with talking(script, idle_s=0.05) as (http, server):
        assert await code_of(read(http, server)) == "TimedOut"
        if chosen.kind == "lean":  # aiohttp takes what came for all; body.py and xml.py do not
            assert await code_of(read(http, server)) == "BodyIncomplete"


async def test_the_headers_of_a_head_are_its_whole_answer() -> None:
    async with talking(always(HEADED)) as (http, server):
        for _ in range(3):
            answer = await ask(http, server, "HEAD")
            assert (answer.headers["content-length"], await answer.some()) == ("5", b"")
            answer.leave()
        assert server.connections == 1


async def test_headers_are_told_in_lower_case_joined_and_byte_for_byte() -> None:
    said = OK + b"X-A: one \r\nETag:\r\nx-a:  two\t\r\nX-Odd: \xc3\xbc\xff\r\nContent-Length: 0\r\n\r\n"
    async with talking(always(said)) as (http, server):
        answer = await ask(http, server)
        expected = {"x-a": "one, two", "etag": "", "x-odd": "\u00fc\udcff", "content-length": "0"}
        assert dict(answer.headers) == expected
        answer.leave()


async def test_what_is_asked_is_written_as_it_was_given() -> None:
    async with talking(always(FIVE)) as (http, server):
        answer = await http.send("GET", server.origin, "/b/%2e%2E//x?a=%20&b", {"host": "h", "x-a": "\u00fc 1"})
        answer.leave()
        lines = server.requests[0].split(b"\r\n")
        assert lines[0] == b"GET /b/%2e%2E//x?a=%20&b HTTP/1.1"
        assert sorted(line.lower() for line in lines[1:-2]) == [
            b"accept-encoding: identity",
            b"accept: */*",
            b"host: h",
            b"user-agent: longshore",
            "x-a: \u00fc 1".encode(),
        ]


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b"])
async def test_nothing_breaks_out_of_its_header(value: str) -> None:
    async with talking(always(FIVE)) as (http, server):
        assert await code_of(http.send("GET", server.origin, "/", {"host": "h", "x-a": value})) == "RequestInvalid"
        assert server.requests == []


@pytest.mark.parametrize(
    "origin", ["http://[::1", "http://a[b]:80", "http://a:x", "http://a:70000", "gopher://a", "a.b", "http://", ""]
)
async def test_a_server_whose_address_can_not_be_read_is_told_as_any_other_failure(origin: str) -> None:
    async with talking(always(FIVE)) as (http, _):
        assert await code_of(http.send("GET", origin, "/", {"host": "h"})) in {"RequestInvalid", "Unreachable"}


# -- what is no answer

NOT_HTTP = [
    pytest.param(b"220 mail.example.com ESMTP\r\n", id="mail"),
    pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", id="ssh"),
    pytest.param(b"HTTP/2 200 OK\r\nContent-Length: 5\r\n\r\nhello", id="http2"),
    pytest.param(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", id="two-lengths"),
    pytest.param(OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", id="both"),
    pytest.param(OK + b"Content-Length: 5x\r\n\r\nhello", id="length"),
    pytest.param(OK + b"Content-Length: -5\r\n\r\nhello", id="negative"),
    pytest.param(OK + b"Content-Length: 5\r\n X: folded\r\n\r\nhello", id="folded"),
    pytest.param(OK + b"X: a\0b\r\nContent-Length: 5\r\n\r\nhello", id="nul"),
    pytest.param(OK + b"X: " + b"x" * 70_000 + b"\r\nContent-Length: 5\r\n\r\nhello", id="long"),
    pytest.param(OK + b"X: y\r\n" * 1100 + b"Content-Length: 5\r\n\r\nhello", id="many"),
]


@pytest.mark.parametrize("said", NOT_HTTP)
async def test_what_is_no_answer_is_not_taken_for_one(said: bytes) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(said)
        await talk.gone()

    async with talking(script, first_byte_s=1.0) as (http, server):
        assert await code_of(read(http, server)) == "NotHttp"
        assert await code_of(read(http, server)) == "NotHttp"
        assert server.connections == 2


TORN = [
    pytest.param(OK + b"Content-Length: 6\r\n\r\nhello", id="length"),
    pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", id="chunks"),
    pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", id="in-a-chunk"),
    pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", id="before-the-last-line"),
    pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\nx\r\nhello\r\n0\r\n\r\n", id="broken"),
]


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("said", TORN)
async def test_a_torn_body_is_never_taken_for_a_whole_one(said: bytes, reset: bool) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(said)
        if reset:
            talk.reset()

    async with talking(script) as (http, server):
        assert await code_of(read(http, server)) in {"BodyIncomplete", "ConnectionLost", "NotHttp"}
        with pytest.raises(TransportError):
            await _dropped(await ask(http, server))
        assert server.connections == 2


async def test_more_than_was_asked_for_is_not_read() -> None:
    async with talking(always(FIVE)) as (http, server):
        answer = await ask(http, server)
        assert await code_of(answer.all(4)) == "AnswerTooLarge"
        answer.leave()
        assert await read(http, server) == (200, b"hello")


# -- connections that are kept


async def test_a_connection_that_the_server_ended_meanwhile_costs_nothing() -> None:
    """The race of keep-alive: its end and our next request cross; the request is sent once more."""
    hung_up = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(FIVE)
        if talk.number == 1:
            await talk.request()  # and no answer
            hung_up.set()
            return
        await talk.gone()

    async with talking(script) as (http, server):
        for _ in range(2):
            assert await read(http, server) == (200, b"hello")
        assert hung_up.is_set()
        assert (server.connections, len(server.requests)) == (2, 3)


async def test_what_is_no_answer_on_a_kept_connection_is_not_taken_for_one() -> None:
    """It may be the rest of an earlier one. aiohttp fails the request, and the wire client says so."""

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(FIVE)
        if talk.number == 1:
            await talk.request()
            await talk.say(b"the rest of what nobody asked for\r\n\r\n")
        await talk.gone()

    async with talking(script) as (http, server):
        assert await read(http, server) == (200, b"hello")
        if chosen.kind == "aiohttp":
            with pytest.raises(TransportError):
                await read(http, server)
        else:
            assert await read(http, server) == (200, b"hello")
            assert server.connections == 2


async def test_a_new_connection_that_is_lost_is_not_asked_again() -> None:
    async def script(talk: Talk) -> None:
        await talk.request()

    async with talking(script) as (http, server):
        assert await code_of(read(http, server)) == "ConnectionLost"
        once = chosen.kind == "lean"  # aiohttp repeats any GET
        assert (server.connections, len(server.requests)) == ((1, 1) if once else (2, 2))


async def test_a_request_whose_answer_had_begun_is_not_taken_for_one_that_was_not_heard() -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(FIVE)
        await talk.request()
        await talk.say(b"HTTP/1.1 20")

    async with talking(script) as (http, server):
        assert await read(http, server) == (200, b"hello")
        if chosen.kind == "lean":  # aiohttp repeats any GET
            assert await code_of(read(http, server)) == "ConnectionLost"
            assert (server.connections, len(server.requests)) == (1, 2)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_comes_behind_an_answer_never_answers_the_next_request(method: str) -> None:
    said = HEADED if method == "HEAD" else FIVE
    other = OK + b"Content-Length: 0\r\nETag: of-another\r\n\r\n"

    async def script(talk: Talk) -> None:
        while True:
            await talk.request()
            await talk.say(said + other if talk.number == 1 else said)

    async with talking(script) as (http, server):
        for _ in range(3):
            try:
                answer = await ask(http, server, method)
            except TransportError:
                assert chosen.kind == "aiohttp"  # which refuses the answer, too
                continue
            assert answer.headers["etag"] == "x"
            answer.leave()
        assert server.connections == 2


async def test_no_more_connections_than_places_and_every_place_comes_back() -> None:
    async with talking(always(FIVE), connections_per_host=3) as (http, server):

        async def one() -> None:
            async with http.places.of(server.origin):
                assert await read(http, server) == (200, b"hello")

        await asyncio.gather(*[one() for _ in range(30)])
        assert (server.most, server.connections) == (3, 3)
        assert not http.places.of(server.origin).locked()


async def test_a_connection_that_nobody_used_for_long_is_closed() -> None:
    closed = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(FIVE)
        await talk.gone()
        closed.set()

    async with talking(script, keep_alive_s=0.05) as (http, server):
        assert await read(http, server) == (200, b"hello")
        await asyncio.wait_for(closed.wait(), 5)


# -- time, and ends that come early


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.gone()

    async with talking(script, first_byte_s=0.05) as (http, server):
        assert await code_of(read(http, server)) == "TimedOut"


async def test_a_kept_connection_is_given_up_as_soon_as_a_new_one() -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(FIVE)
        await talk.gone()

    async with talking(script, first_byte_s=0.05) as (http, server):
        assert await read(http, server) == (200, b"hello")
        assert await code_of(read(http, server)) == "TimedOut"
        assert server.connections == 1


@pytest.mark.parametrize("way", ["all", "some"])
async def test_a_body_that_falls_silent_is_given_up(way: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(OK + b"Content-Length: 10\r\n\r\nhello")
        await talk.gone()

    async with talking(script, idle_s=0.05) as (http, server):
        answer = await ask(http, server)
        if way == "some":
            assert await answer.some() == b"hello"
        assert await code_of(answer.all(100) if way == "all" else answer.some()) == "TimedOut"
        answer.leave()


async def test_a_body_that_drips_is_given_up_in_the_end() -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(OK + b"Content-Length: 100000\r\n\r\n")
        while True:
            await talk.say(b"x")
            await asyncio.sleep(0.005)

    async with talking(script, idle_s=5, request_s=0.2) as (http, server):
        assert await code_of(read(http, server)) == "TimedOut"


@pytest.mark.parametrize("phase", ["waiting", "reading", "read"])
async def test_who_is_cancelled_leaves_a_closed_connection_and_no_trace(phase: str) -> None:
    begun, closed = asyncio.Event(), asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.request()
        if phase != "waiting":
            await talk.say(OK + b"Content-Length: 10\r\n\r\nhello")
        begun.set()
        await talk.gone()
        closed.set()

    async with talking(script) as (http, server):

        async def one() -> None:
            answer = await ask(http, server)
            try:
                await answer.some()
                if phase == "reading":
                    await answer.some()
            finally:
                answer.leave()
                answer.leave()

        task = asyncio.create_task(one())
        await begun.wait()
        for _ in range(5):
            await asyncio.sleep(0.002)  # for the bytes to come
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.wait_for(closed.wait(), 5)


async def test_idle_and_busy_connections_are_closed_at_the_end() -> None:
    gone = asyncio.Semaphore(0)

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(HEADED if talk.number == 1 else FIVE)
        await talk.gone()
        gone.release()

    async with scripted(script) as server:
        async with open_http(Limits(), chosen.kind) as http:
            busy = await ask(http, server)
            assert await read(http, server) == (200, b"hello")
        for _ in range(2):
            await asyncio.wait_for(gone.acquire(), 5)
        busy.leave()
