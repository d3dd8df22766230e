"""One socket's bytes, cut and spoilt in every way: a whole answer or an error, at once, and never another's bytes."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from config.limits import Limits
from ingest.s3.outbox import Outbox
from ingest.s3.transport import TransportError
from ingest.s3.wire import Wire

OK = b"HTTP/1.1 200 OK\r\n"


class Socket(asyncio.Transport):
    """A transport without a socket: what was done to it, and what comes over it as a test feeds it."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire = wire
        self.written: list[bytes] = []
        self.closed = False
        self.paused = False
        wire.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def abort(self) -> None:
        self.end()

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        assert not self.paused
        self.paused = True

    def resume_reading(self) -> None:
        assert self.paused
        self.paused = False

    def reads(self) -> bool:
        return not self.paused

    def feed(self, data: bytes) -> None:
        if data and not self.closed:
            self.wire.data_received(data)

    def end(self, error: Exception | None = None) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.wire.connection_lost, error)


@dataclass(frozen=True)
class Got:
    """How one request ended."""

    status: int
    headers: dict[str, str]
    body: bytes
    usable: bool


def wired(**fields: float) -> tuple[Wire, Socket]:
    wire = Wire(Limits(**fields), Outbox(), lambda _wire: None)
    return wire, Socket(wire)


async def took(wire: Wire, *, bodiless: bool, way: str) -> Got:
    head = await wire.ask(b"asked", bodiless=bodiless)
    parts = []
    if way == "all":
        parts.append(await wire.all(1 << 20))
    else:
        while part := await wire.some():
            parts.append(part)
    return Got(head.status, head.headers, b"".join(parts), wire.leave())


async def through(pieces: Iterable[bytes], *, bodiless: bool, way: str, cycles: int = 1) -> Got | TransportError:
    """What becomes of an answer that comes in these pieces, before the server hangs up. Never waits for time to pass."""
    wire, fed = wired()
    task = asyncio.create_task(took(wire, bodiless=bodiless, way=way))
    await asyncio.sleep(0)
    for piece in pieces:
        fed.feed(piece)
        for _ in range(cycles):
            await asyncio.sleep(0)
    fed.end()
    for _ in range(20):
        await asyncio.sleep(0)
    assert task.done(), "it still waits, though nothing more can come"
    error = task.exception()
    assert error is None or isinstance(error, TransportError), repr(error)
    return error or task.result()


def cut(data: bytes, at: Iterable[int]) -> list[bytes]:
    ends = sorted({min(one, len(data)) for one in at} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(ends)]


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, bool, bytes, bool]:
    """An answer as bytes, whether it answers a HEAD, its body, and whether another may be asked for behind it."""
    body = draw(st.binary(max_size=60))
    bodiless = draw(st.booleans())
    status = draw(st.sampled_from([200, 206, 204, 304, 404]))
    framing = draw(st.sampled_from(["length", "chunks", "close"]))
    interim = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n"]))
    head = b'HTTP/1.1 %d X\r\nETag: "e"\r\n' % status
    empty = bodiless or status in {204, 304}
    if framing == "length":
        head, sent = head + b"Content-Length: %d\r\n\r\n" % len(body), body
    elif framing == "chunks":
        parts = cut(body, draw(st.lists(st.integers(1, 60), max_size=4)))
        head += b"Transfer-Encoding: chunked\r\n\r\n"
        sent = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    else:
        head, sent = head + b"Connection: close\r\n\r\n", body
    said = interim + head + (b"" if empty else sent)
    return said, bodiless, b"" if empty else body, framing != "close"


_WAYS = st.sampled_from(["all", "some"])


@settings(deadline=None)
@given(answer=answers(), at=st.lists(st.integers(0, 250), max_size=12), way=_WAYS, cycles=st.integers(0, 3))
async def test_an_answer_is_the_same_however_it_is_cut(
    answer: tuple[bytes, bool, bytes, bool], at: list[int], way: str, cycles: int
) -> None:
    said, bodiless, body, usable = answer
    got = await through(cut(said, at), bodiless=bodiless, way=way, cycles=cycles)
    assert isinstance(got, Got)
    assert (got.body, got.headers["etag"]) == (body, '"e"')
    # the server's end may be heard before the answer is left
    assert usable or not got.usable


@settings(deadline=None)
@given(answer=answers(), length=st.integers(0, 250), at=st.lists(st.integers(0, 250), max_size=4), way=_WAYS)
async def test_a_torn_answer_is_an_error(
    answer: tuple[bytes, bool, bytes, bool], length: int, at: list[int], way: str
) -> None:
    said, bodiless, body, framed = answer
    torn = said[: min(length, len(said) - 1)]
    got = await through(cut(torn, at), bodiless=bodiless, way=way)
    if isinstance(got, Got):  # only a body that ends with its connection can't be told from a torn one
        assert not framed
        assert body.startswith(got.body)
    else:
        assert got.code in {"ConnectionLost", "BodyIncomplete"}


@settings(deadline=None)
@given(
    answer=answers(), behind=st.binary(min_size=1, max_size=30), at=st.lists(st.integers(0, 250), max_size=4), way=_WAYS
)
async def test_what_comes_behind_an_answer_spoils_the_connection_and_not_the_answer(
    answer: tuple[bytes, bool, bytes, bool], behind: bytes, at: list[int], way: str
) -> None:
    said, bodiless, body, framed = answer
    wire, fed = wired()
    task = asyncio.create_task(took(wire, bodiless=bodiless, way=way))
    await asyncio.sleep(0)
    for piece in cut(said + behind, at):
        fed.feed(piece)
    fed.end()
    got = await task
    assert not got.usable
    assert got.body == (body if framed or bodiless or got.status in {204, 304} else body + behind)


def declared(said: bytes, got: Got, *, bodiless: bool) -> bytes | None:
    """The body that a slow and simple reader finds; None if it finds none that is whole."""
    while (match := re.match(rb"HTTP/1\.[01] (1\d\d)[^\r]*\r\n", said)) is not None:
        assert match[1] != b"101"
        said = said.partition(b"\r\n\r\n")[2]
    rest = said.partition(b"\r\n\r\n")[2]
    if bodiless or got.status in {204, 304}:
        return b""
    if "content-length" in got.headers:
        length = int(got.headers["content-length"])
        return rest[:length] if len(rest) >= length else None
    if "transfer-encoding" not in got.headers:
        return rest
    body = b""
    while (match := re.match(rb"([0-9A-Fa-f]+)(?:[ \t]*;[^\r\n]*)?\r\n", rest)) is not None:
        size = int(match[1], 16)
        if size == 0:
            return body
        rest = rest[match.end() :]
        if rest[size : size + 2] != b"\r\n":
            return None
        body, rest = body + rest[:size], rest[size + 2 :]
    return None


_SPOILT = st.lists(
    st.tuples(
        st.sampled_from(["set", "drop", "add"]),
        st.integers(0, 250),
        st.integers(0, 255) | st.sampled_from(list(b"\r\n :;,0159aAfF\0")),
    ),
    max_size=5,
)


@settings(max_examples=600, deadline=None)
@given(answer=answers(), changes=_SPOILT, at=st.lists(st.integers(0, 250), max_size=5), way=_WAYS)
@example(
    answer=(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", False, b"a", True),
    changes=[("set", 47, 0x32)],
    at=[],
    way="all",
)
async def test_no_spoilt_answer_hangs_or_is_taken_for_more_or_less_than_it_says(
    answer: tuple[bytes, bool, bytes, bool], changes: list[tuple[str, int, int]], at: list[int], way: str
) -> None:
    said, bodiless, _, _ = answer
    spoilt = bytearray(said)
    for kind, place, byte in changes:
        if kind == "add":
            spoilt.insert(place % (len(spoilt) + 1), byte)
        elif kind == "set" and spoilt:
            spoilt[place % len(spoilt)] = byte
        elif spoilt:
            del spoilt[place % len(spoilt)]
    got = await through(cut(bytes(spoilt), at), bodiless=bodiless, way=way)
    if isinstance(got, Got):
        assert got.body == declared(bytes(spoilt), got, bodiless=bodiless)


@settings(max_examples=200, deadline=None)
@given(
    said=st.lists(st.binary(max_size=40) | st.sampled_from([OK, b"\r\n\r\n", b"HTTP/1.1 100 C\r\n\r\n"]), max_size=12)
)
async def test_no_garbage_hangs(said: list[bytes]) -> None:
    await through(said, bodiless=False, way="all")


# -- bounds


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 100 C\r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
async def test_headers_without_end_are_given_up(said: bytes) -> None:
    wire, fed = wired(headers_bytes=8192)
    task = asyncio.create_task(took(wire, bodiless=False, way="all"))
    await asyncio.sleep(0)
    fed.feed(said)
    for _ in range(20):
        fed.feed(b"HTTP/1.1 100 C\r\n\r\n" if b"100" in said else b"x" * 1000)
    with pytest.raises(TransportError) as caught:
        await task
    assert caught.value.code == "NotHttp"


async def test_a_body_waits_for_its_reader_in_bounded_memory() -> None:
    wire, fed = wired(body_ahead_bytes=1024)
    asked = asyncio.create_task(wire.ask(b"asked", bodiless=False))
    await asyncio.sleep(0)
    fed.feed(OK + b"Content-Length: 5000\r\n\r\n")
    await asked
    fed.feed(bytes(1000))
    assert fed.reads()
    fed.feed(bytes(1000))
    assert not fed.reads()
    assert len(await wire.some()) == 1000
    assert fed.reads()
    fed.feed(bytes(2000))
    assert not fed.reads()
    rest = asyncio.create_task(wire.all(1 << 20))
    await asyncio.sleep(0)
    assert fed.reads()  # who takes it all needs it all, up to the bound that was named
    fed.feed(bytes(1000))
    assert len(await rest) == 4000


async def test_chunks_between_which_there_is_no_end_are_given_up() -> None:
    wire, fed = wired(headers_bytes=8192)
    task = asyncio.create_task(took(wire, bodiless=False, way="all"))
    await asyncio.sleep(0)
    fed.feed(OK + b"Transfer-Encoding: chunked\r\n\r\n1;")
    for _ in range(20):
        fed.feed(b"x" * 1000)
    with pytest.raises(TransportError) as caught:
        await task
    assert caught.value.code == "BodyIncomplete"


# -- a wire that is kept


async def test_one_wire_serves_one_request_after_the_other() -> None:
    wire, fed = wired()
    for number in range(5):
        task = asyncio.create_task(took(wire, bodiless=False, way="all"))
        await asyncio.sleep(0)
        fed.feed(OK + b"Content-Length: 1\r\n\r\n%d" % number)
        got = await task
        assert (got.body, got.usable) == (b"%d" % number, True)
    assert fed.written == [b"asked"] * 5


async def test_bytes_that_nobody_asked_for_close_it() -> None:
    wire, fed = wired()
    task = asyncio.create_task(took(wire, bodiless=True, way="all"))
    await asyncio.sleep(0)
    fed.feed(OK + b"Content-Length: 1\r\n\r\n")
    assert (await task).usable
    fed.feed(b"x")
    assert (wire.usable, fed.closed) == (False, True)
    with pytest.raises(TransportError):
        await wire.ask(b"asked", bodiless=True)
    assert fed.written == [b"asked"]


async def test_a_server_that_speaks_first_is_not_http() -> None:
    wire, fed = wired()
    fed.feed(b"220 mail.example.com ESMTP\r\n")
    with pytest.raises(TransportError) as caught:
        await wire.ask(b"asked", bodiless=True)
    assert caught.value.code == "NotHttp"


async def test_a_timer_is_not_set_for_each_request() -> None:
    """It is set again at most when it has rung, since an idle wire has one, too."""
    wire, fed = wired()
    timers = set()
    for _ in range(50):
        task = asyncio.create_task(took(wire, bodiless=True, way="all"))
        await asyncio.sleep(0)
        fed.feed(OK + b"Content-Length: 1\r\n\r\n")
        await task
        timers.add(wire._timer)
    assert len(timers) == 1
    wire.abort()


async def test_requests_of_one_turn_are_sent_together_and_none_on_a_closed_socket() -> None:
    (one, first), (other, second) = wired(), wired()
    asking = [asyncio.create_task(wire.ask(b"asked", bodiless=True)) for wire in (one, other)]
    await asyncio.sleep(0)
    assert (first.written, second.written) == ([], [])
    other.abort()
    await asyncio.sleep(0)
    assert (first.written, second.written) == ([b"asked"], [])
    asking[0].cancel()
    await asyncio.gather(*asking, return_exceptions=True)


@pytest.mark.parametrize("way", ["all", "some"])
async def test_what_stands_behind_the_last_chunk_is_no_part_of_the_body(way: str) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n"
    behind = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    got = await through([chunked + behind], bodiless=False, way=way)
    assert isinstance(got, Got)
    assert (got.body, got.usable) == (b"good", False)
