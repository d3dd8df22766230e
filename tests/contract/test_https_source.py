"""An HTTPS server as a source of objects, over both transports: what servers really do, each oddity a row of a table."""

from __future__ import annotations

import asyncio
import gzip
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from config.errors import (
    AccessDeniedError,
    ObjectChangedError,
    ObjectMissingError,
    ObjectUnchangedError,
    ProtocolError,
    RequestRefusedError,
    SourceError,
    SourceUnavailableError,
)
from config.limits import Limits
from config.origins import WebAddress
from credentials.kinds import BearerSpec
from credentials.web import Login, Nobody, WebAccess
from ingest.events import Event, RequestMade
from ingest.gate import Gates
from ingest.https import Follows, anywhere
from ingest.model import Validator
from ingest.probe.choosing import probe_of
from ingest.probe.content import Bodies
from ingest.probe.first_ranges import FirstRanges
from ingest.probe.looking import Probed
from ingest.probe.sighting import Name, NamedLook, sight_of
from ingest.s3.drip import Drip
from ingest.s3.transport import TransportError
from ingest.sources.https import HttpsSource
from ingest.sources.web_head import as_listed, conditions, kept_etag
from ingest.wanted import Wanted
from tests.fakes.web import HOST, TOKEN, Answers, Web, answer, to, web

ON_BOTH_LOOPS = True
pytestmark = pytest.mark.usefixtures("transport")

BODY = bytes(range(256)) * 40
DATE = "Mon, 01 Jan 2024 00:00:00 GMT"
ETAG = '"e1"'
Headers = dict[str, str]


def chunked(body: bytes, *, head: bytes = b"") -> bytes:
    size = f"{len(body):x}\r\n".encode() if body else b""
    piece = size + body + b"\r\n" if body else b""
    return b"HTTP/1.1 200 OK\r\n" + head + b"Transfer-Encoding: chunked\r\n\r\n" + piece + b"0\r\n\r\n"


def ranged(headers: Headers, body: bytes = BODY, **said: str) -> bytes:
    if "range" not in headers:
        return answer(200, body, **said)
    first, _, last = headers["range"].removeprefix("bytes=").partition("-")
    if int(first) >= len(body):
        return answer(416, b"", content_range=f"bytes */{len(body)}", **said)
    end = min(int(last or len(body)), len(body) - 1)
    return answer(206, body[int(first) : end + 1], content_range=f"bytes {first}-{end}/{len(body)}", **said)


def plain(_target: str, headers: Headers) -> bytes:
    """What a good server does."""
    return ranged(headers, etag=ETAG, last_modified=DATE, content_type="image/png")


@dataclass(slots=True)
class Bench:
    source: HttpsSource
    at: Web
    pauses: list[float] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def asked(self) -> list[str]:
        """Method and range of each request."""
        return [
            f"{first.split(' ')[0]} {said.get('range', '')}".strip() for first, said in map(_read, self.at.one.requests)
        ]

    def outcomes(self) -> Counter[tuple[str, str]]:
        return Counter((event.request, event.outcome) for event in self.events if isinstance(event, RequestMade))


def _read(request: bytes) -> tuple[str, Headers]:
    first, *rest = request.decode().split("\r\n")
    return first, dict(line.lower().split(": ", 1) for line in rest if line)


@asynccontextmanager
async def bench(
    tmp_path: Path, server: Answers, *, access: WebAccess | None = None, follows: Follows = anywhere, **limits: Any
) -> AsyncGenerator[Bench]:
    async with web(tmp_path, server, **limits) as at:
        bound = Limits(**limits)
        pauses: list[float] = []
        events: list[Event] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)

        source = HttpsSource(
            fetcher=at.fetcher,
            gates=Gates(bound),
            share=asyncio.Semaphore(8),
            access=access or Nobody(),
            follows=follows,
            origin=at.url("").rstrip("/"),
            limits=bound,
            observe=events.append,
            sleep=sleep,
            random=lambda: 0.5,
        )
        yield Bench(source, at, pauses, events)


def box(kind: bytes, said: bytes) -> bytes:
    return (8 + len(said)).to_bytes(4, "big") + kind + said


def a_film(seconds: int) -> bytes:
    """Its header stands at its end."""
    header = bytes(12) + (1000).to_bytes(4, "big") + (seconds * 1000).to_bytes(4, "big") + bytes(80)
    return box(b"ftyp", b"isom" + bytes(4)) + box(b"mdat", bytes(200_000)) + box(b"moov", box(b"mvhd", header))


async def media_of(one: Bench, key: bytes) -> Probed:
    """Of an object that nobody knows yet, by its first 100 bytes and what it takes besides."""
    probe = probe_of(Wanted(depth="media"), "x", ranges=FirstRanges(), bodies=Bodies())
    look = NamedLook(sight=sight_of("media", lambda _key: 100), probe=probe, steps=[])
    return await look(one.source, Name(key, None))


async def test_ranges_of_an_object_without_an_etag_are_of_one_object_by_its_date(tmp_path: Path) -> None:
    later = DATE.replace("00:00:00", "00:00:01")
    asked = itertools.count()

    def serve(_target: str, headers: Headers) -> bytes:
        return (
            ranged(headers, a_film(5), last_modified=DATE)
            if not next(asked)
            else ranged(headers, a_film(77), last_modified=later)
        )

    async with bench(tmp_path, serve) as one:
        asset = (await media_of(one, b"/a.mp4")).asset
        assert asset is not None
        assert (asset.duration_s, asset.last_modified) == (77, as_listed(later))


@dataclass(frozen=True, kw_only=True)
class Odd:
    """A server that does something odd, and what is to come of it."""

    name: str
    serve: Answers
    asked_by_head: tuple[str, ...] = ("HEAD",)
    asked_by_part: tuple[str, ...] = ("GET bytes=0-99",)
    body: bytes = BODY
    etag: str = "e1"


def no_head(status: int) -> Answers:
    return lambda target, headers: answer(status) if headers[":method"] == "HEAD" else plain(target, headers)


ODD = [
    Odd(name="a good one", serve=plain),
    *(
        Odd(name=f"refuses HEAD by {status}", serve=no_head(status), asked_by_head=("HEAD", "GET bytes=0-0"))
        for status in (403, 405, 501)
    ),
    Odd(name="knows no ranges", serve=lambda _t, _h: answer(200, BODY, etag=ETAG)),
    Odd(
        name="knows neither HEAD nor ranges",
        serve=lambda _t, h: answer(405) if h[":method"] == "HEAD" else answer(200, BODY, etag=ETAG),
        asked_by_head=("HEAD", "GET bytes=0-0"),
    ),
    Odd(
        name="sends chunks and no length",
        serve=lambda _t, _h: chunked(BODY, head=b'ETag: "e1"\r\n'),
        asked_by_head=("HEAD", "GET bytes=0-0", "GET"),
        asked_by_part=("GET bytes=0-99", "GET"),
    ),
    Odd(
        name="says a length to GET only",
        serve=lambda t, h: b'HTTP/1.1 200 OK\r\nETag: "e1"\r\n\r\n' if h[":method"] == "HEAD" else plain(t, h),
        asked_by_head=("HEAD", "GET bytes=0-0"),
    ),
    Odd(
        name="does not say how long the whole is",
        serve=lambda _t, h: (
            answer(206, BODY[:100], content_range="bytes 0-99/*", etag=ETAG)
            if h.get("range") == "bytes=0-99"
            else answer(200, BODY, etag=ETAG)
        ),
        asked_by_part=("GET bytes=0-99", "GET"),
    ),
    Odd(name="has an empty object", serve=lambda _t, h: ranged(h, b"", etag=ETAG), body=b"", asked_by_part=("GET bytes=0-99", "GET")),
    Odd(
        name="has an empty object and no HEAD",
        serve=lambda _t, h: answer(405) if h[":method"] == "HEAD" else ranged(h, b"", etag=ETAG),
        body=b"",
        asked_by_head=("HEAD", "GET bytes=0-0", "GET"),
        asked_by_part=("GET bytes=0-99", "GET"),
    ),
    Odd(
        name="says 416 without saying why",
        serve=lambda _t, h: answer(416) if "range" in h else answer(200, b"", etag=ETAG),
        body=b"",
        asked_by_part=("GET bytes=0-99", "GET"),
    ),
    Odd(name="has less than was asked for", serve=lambda _t, h: ranged(h, b"abc", etag=ETAG), body=b"abc"),
    Odd(name="has weak ETags", serve=lambda _t, h: ranged(h, etag='W/"w1"'), etag='W/"w1"'),
    Odd(name="has ETags without quotes", serve=lambda _t, h: ranged(h, etag="e1")),
    Odd(name="has no ETags", serve=lambda _t, h: ranged(h, last_modified=DATE), etag=""),
    Odd(
        name="redirects",
        serve=lambda t, h: to("/end?x=1") if t == "/a.bin" else plain(t, h),
        asked_by_head=("HEAD", "HEAD"),
        asked_by_part=("GET bytes=0-99", "GET bytes=0-99"),
    ),
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
async def test_an_objects_size_and_first_bytes_are_had_whatever_the_server_does(tmp_path: Path, odd: Odd) -> None:
    async with bench(tmp_path, odd.serve) as one:
        head = await one.source.head(b"/a.bin")
        assert (head.size, head.etag, tuple(one.asked)) == (len(odd.body), odd.etag, odd.asked_by_head)
        one.at.one.requests.clear()
        head, piece = await one.source.part(b"/a.bin", first=0, last=99)
        assert (head.size, head.etag, piece) == (len(odd.body), odd.etag, odd.body[:100])
        assert tuple(one.asked) == odd.asked_by_part
        async with one.source.get(b"/a.bin") as body:
            assert (body.head.size, await body.read()) == (len(odd.body), odd.body)
        assert not one.pauses
        assert one.outcomes().keys() <= {
            *itertools.product(("head", "get"), ("ok", "Redirected", "InvalidRange")),
            *(("head", code) for code in ("Forbidden", "MethodNotAllowed", "NotImplemented")),
        }


async def test_a_server_that_knows_no_head_is_not_asked_by_it_again(tmp_path: Path) -> None:
    async with bench(tmp_path, no_head(405)) as one:
        for _ in range(3):
            await one.source.head(b"/a")
        assert one.asked == ["HEAD", *["GET bytes=0-0"] * 3]
    async with bench(tmp_path, no_head(403)) as one:  # which may be meant for this object alone
        for _ in range(2):
            await one.source.head(b"/a")
        assert one.asked == ["HEAD", "GET bytes=0-0"] * 2


async def test_headers_become_what_a_listing_and_a_record_say(tmp_path: Path) -> None:
    def serve(_target: str, headers: Headers) -> bytes:
        return ranged(
            headers,
            etag=ETAG,
            last_modified=DATE,
            content_type="text/x",
            cache_control="no-store",
            x_amz_storage_class="GLACIER",
        )

    async with bench(tmp_path, serve) as one:
        head = await one.source.head(b"/a")
        assert (head.last_modified, head.content_type, head.headers) == (DATE, "text/x", {"cache-control": "no-store"})
        assert (head.storage_class, head.version_id, dict(head.metadata)) == ("STANDARD", "", {})


# -- conditions


@pytest.mark.parametrize(
    ("unless", "sent"),
    [
        (Validator("e1", "2024-01-01T00:00:00.000Z"), {"if-none-match": '"e1"'}),
        (Validator('W/"w1"', ""), {"if-none-match": 'W/"w1"'}),
        (Validator("", "2024-01-01T00:00:00.000Z"), {"if-modified-since": DATE}),
        (Validator("", "once"), {}),
        (Validator("", ""), {}),
        (Validator("é", ""), {}),
        (Validator('W/"a b"', ""), {}),
        (None, {}),
    ],
)
def test_what_is_known_is_sent_as_a_condition(unless: Validator | None, sent: Mapping[str, str]) -> None:
    assert conditions(unless=unless) == sent
    assert conditions(if_match="e1", unless=unless) == {"if-match": '"e1"', **sent}
    assert conditions(if_match='W/"w1"', unless=unless) == sent  # which names no bytes


@pytest.mark.parametrize(
    ("said", "kept"),
    [('"e1"', "e1"), (' "e1" ', "e1"), ("e1", "e1"), ('W/"e1"', 'W/"e1"'), ("", ""), ('""', ""), ('"\udce9\x01"', "é")],
)
def test_a_weak_etag_is_never_taken_for_a_strong_one(said: str, kept: str) -> None:
    assert kept_etag(said) == kept


@pytest.mark.parametrize(
    ("http", "listed"),
    [
        (DATE, "2024-01-01T00:00:00.000Z"),
        ("Mon, 01 Jan 2024 02:00:00 +0200", "2024-01-01T00:00:00.000Z"),
        ("yesterday", ""),
        ("", ""),
        ("Mon, 99 Jan 2024 00:00:00 GMT", ""),
    ],
)
def test_a_date_is_written_as_listings_write_it(http: str, listed: str) -> None:
    assert as_listed(http) == listed


async def test_an_object_that_has_not_changed_is_not_sent_again(tmp_path: Path) -> None:
    def serve(_target: str, headers: Headers) -> bytes:
        known = headers.get("if-none-match") == '"e1"' or headers.get("if-modified-since") == DATE.lower()
        return answer(304, etag=ETAG) if known else plain("", headers)

    async with bench(tmp_path, serve) as one:
        for unless in (Validator("e1", ""), Validator("", "2024-01-01T00:00:00.000Z")):
            with pytest.raises(ObjectUnchangedError):
                await one.source.unless(unless).head(b"/a")
            with pytest.raises(ObjectUnchangedError):
                await one.source.unless(unless).part(b"/a", first=0, last=9)
            with pytest.raises(ObjectUnchangedError):
                async with one.source.unless(unless).get(b"/a"):
                    pass
        assert one.outcomes() == {("head", "NotModified"): 2, ("get", "NotModified"): 4}
        assert (await one.source.unless(Validator("e0", "")).head(b"/a")).etag == "e1"


async def test_a_304_that_nobody_asked_for_is_no_answer(tmp_path: Path) -> None:
    async with bench(tmp_path, lambda _t, _h: answer(304), attempts=1) as one:
        for call in (
            one.source.head(b"/a"),
            one.source.part(b"/a", first=0, last=9, if_match="e1"),
            one.source.unless(Validator("", "once")).head(b"/a", if_match="e1"),
        ):
            with pytest.raises(ProtocolError) as caught:
                await call
            assert caught.value.code == "Protocol"


async def test_a_new_object_is_not_unchanged_because_the_server_says_so_later(tmp_path: Path) -> None:
    """By If-Match its further ranges are asked for, and a 304 is no answer to that."""
    answers = iter([ranged({"range": "bytes=0-99"}, a_film(1), etag=ETAG)])
    async with bench(tmp_path, lambda _t, _h: next(answers, answer(304)), attempts=1) as one:
        with pytest.raises(ProtocolError):
            await media_of(one, b"/a.mp4")
        assert len(one.asked) == 2


@pytest.mark.parametrize("heeds", [True, False])
async def test_another_object_than_was_seen_is_told_whether_the_server_heeds_if_match_or_not(
    tmp_path: Path, heeds: bool
) -> None:
    def serve(target: str, headers: Headers) -> bytes:
        return answer(412) if heeds and headers.get("if-match") not in (None, ETAG) else plain(target, headers)

    async with bench(tmp_path, serve) as one:
        assert (await one.source.part(b"/a", first=5, last=9, if_match="e1"))[1] == BODY[5:10]
        for call in (one.source.head(b"/a", if_match="e0"), one.source.part(b"/a", first=5, last=9, if_match="e0")):
            with pytest.raises(ObjectChangedError):
                await call
        with pytest.raises(ObjectChangedError):
            await one.source.part(b"/a", first=5, last=9, if_match='W/"w0"')
        assert "w0" not in "".join(request.decode() for request in one.at.one.requests)


# -- what is refused


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, AccessDeniedError, "Unauthorized"),
        (403, AccessDeniedError, "Forbidden"),
        (404, ObjectMissingError, "NotFound"),
        (410, ObjectMissingError, "NotFound"),
        (418, RequestRefusedError, "RequestRefused"),
    ],
)
async def test_a_refusal_is_told_once_and_for_all(
    tmp_path: Path, status: int, kind: type[SourceError], code: str
) -> None:
    async with bench(tmp_path, lambda _t, _h: answer(status)) as one:
        with pytest.raises(kind) as caught:
            await one.source.head(b"/a?sig=secret")
        assert (caught.value.code, len(one.pauses)) == (code, 0)
        assert "secret" not in caught.value.message


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP, gzip"])
async def test_what_comes_packed_is_never_read_as_if_it_were_plain(tmp_path: Path, coding: str) -> None:
    packed = gzip.compress(BODY)
    async with bench(tmp_path, lambda _t, h: ranged(h, packed, content_encoding=coding)) as one:
        assert (await one.source.head(b"/a")).headers == {"content-encoding": coding}
        with pytest.raises(RequestRefusedError, match="packed") as caught:
            await one.source.part(b"/a", first=0, last=9)
        assert caught.value.code == "ContentEncoded"
        with pytest.raises(RequestRefusedError, match="packed"):
            async with one.source.get(b"/a"):
                pass
    async with bench(tmp_path, lambda _t, h: ranged(h, content_encoding="identity")) as one:
        assert (await one.source.part(b"/a", first=0, last=9))[1] == BODY[:10]


async def test_the_end_of_an_object_is_looked_for_so_far(tmp_path: Path) -> None:
    async with bench(tmp_path, lambda _t, _h: chunked(BODY), https_unsized_bytes=len(BODY)) as one:
        assert (await one.source.head(b"/a")).size == len(BODY)
    async with bench(tmp_path, lambda _t, _h: chunked(BODY), https_unsized_bytes=len(BODY) - 1) as one:
        with pytest.raises(RequestRefusedError) as caught:
            await one.source.head(b"/a")
        assert caught.value.code == "SizeUnknown"


async def test_a_server_that_knows_no_ranges_is_not_read_to_its_far_end(tmp_path: Path) -> None:
    async with bench(tmp_path, lambda _t, _h: answer(200, BODY, etag=ETAG), range_skip_bytes=100) as one:
        with pytest.raises(RequestRefusedError) as caught:
            await one.source.part(b"/a", first=5000, last=5009, if_match="e1")
        assert caught.value.code == "RangeIgnored"


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_wants_a_pause_gets_it_within_bounds(tmp_path: Path, status: int) -> None:
    at = {"date": DATE, "retry_after": DATE.replace("00:00:00", "00:00:07")}
    answers = iter([answer(status, retry_after="3"), answer(status, b"", **at), answer(status, retry_after="9999")])
    async with bench(tmp_path, lambda t, h: next(answers, b"") or plain(t, h)) as one:
        assert (await one.source.head(b"/a")).size == len(BODY)
        assert one.pauses == [3, 7, Limits().backoff_most_s]
        code = "TooManyRequests" if status == 429 else "ServiceUnavailable"
        assert one.outcomes() == {("head", code): 3, ("head", "ok"): 1}


async def test_what_breaks_off_is_asked_for_again(tmp_path: Path) -> None:
    cut = answer(206, BODY[:5], content_range=f"bytes 0-99/{len(BODY)}", etag=ETAG)
    answers = iter([cut])
    async with bench(tmp_path, lambda t, h: next(answers, b"") or plain(t, h)) as one:
        assert (await one.source.part(b"/a", first=0, last=99))[1] == BODY[:100]
        assert len(one.pauses) == 1


async def test_nothing_lists_a_server(tmp_path: Path) -> None:
    async with bench(tmp_path, plain) as one:
        with pytest.raises(RequestRefusedError, match="can't be listed"):
            await one.source.list_page(prefix=b"/")
        assert one.asked == []


# -- who asks


async def test_a_secret_that_was_replaced_where_it_is_kept_is_read_anew_once(tmp_path: Path) -> None:
    right = "token-2"

    def serve(target: str, headers: Headers) -> bytes:
        return plain(target, headers) if headers.get("authorization") == f"bearer {right}" else answer(401)

    asked: list[int] = []

    async def again() -> str:
        asked.append(1)
        return "token-2"

    spec = BearerSpec(name="x", allow=(f"https://{HOST}/",))
    async with bench(tmp_path, serve, access=Login(spec, TOKEN, again=again)) as one:
        assert (await one.source.head(b"/a")).size == len(BODY)
        right = "token-3"
        for _ in range(2):
            with pytest.raises(AccessDeniedError) as caught:
                await one.source.head(b"/a")
            assert TOKEN not in repr(caught.value.fields)
        assert len(asked) == 2  # the second one had nothing new
        assert one.pauses == []


async def test_a_redirect_on_a_server_leads_to_the_connections_places_alone(tmp_path: Path) -> None:
    """Nothing is sent elsewhere: whoever may redirect, perhaps an open redirect, would choose what the credentials read."""
    end = "/in/b?token=t2"

    def serve(target: str, headers: Headers) -> bytes:
        return to(end) if target.startswith("/in/a") else plain(target, headers)

    spec: BearerSpec | None = None

    def follows(address: WebAddress) -> bool:
        assert spec is not None
        return spec.follows(address)

    async with bench(tmp_path, serve, follows=follows) as one:
        here = one.at.url("").rstrip("/")
        spec = BearerSpec(name="x", allow=(f"{here}/in/",))
        assert (await one.source.head(b"/in/a")).size == len(BODY)
        for outside in ("/out/b?token=t2", "/in%2f..%2fout", "/in", "/%69n/b", f"{here}/out/b?token=t2"):
            end = outside
            one.at.one.requests.clear()
            with pytest.raises(RequestRefusedError) as caught:
                await one.source.part(b"/in/a?v=t1", first=0, last=9)
            assert (caught.value.code, len(one.asked)) == ("RedirectRefused", 1)
            assert f"{here}/in/a: " in caught.value.message
            assert "t1" not in caught.value.message
            assert "t2" not in caught.value.message
        with pytest.raises(
            RequestRefusedError, match=f"redirects to {here}/out/b, which the connection does not permit"
        ):
            await one.source.head(b"/in/a")
        end = one.at.url("/out/b", host="other.example.com")  # which gets no credentials
        assert (await one.source.head(b"/in/a")).size == len(BODY)


@pytest.mark.parametrize("end", ["200", "304", "404", "circle", "far", "refused"])
async def test_each_request_that_was_sent_is_told_whatever_its_end_is(tmp_path: Path, end: str) -> None:
    ends = {"200": ranged({}, etag=ETAG), "304": answer(304), "404": answer(404), "circle": to("/a")}

    def serve(target: str, _headers: Headers) -> bytes:
        return (
            ends.get(end, to(f"{target}x" if end == "far" else "/out")) if target == "/bx" else to(f"/b{target[2:]}x")
        )

    async with bench(
        tmp_path, serve, follows=lambda address: address.path != "/out", attempts=1, https_redirects=2
    ) as one:
        with suppress(SourceError):
            await one.source.unless(Validator("e1", "")).part(b"/a", first=0, last=9)
        told = one.outcomes()
        assert told.total() == len(one.asked) == (3 if end == "far" else 2)
        assert told["get", "Redirected"] == told.total() - 1


# -- time


async def test_a_body_that_drips_is_given_up_and_one_that_its_reader_is_slow_with_is_not() -> None:
    now = 0.0
    limits = Limits(idle_s=30, body_slowest=10)
    drip = Drip(limits, clock=lambda: now)

    async def piece(seconds: float, size: int) -> bytes:
        nonlocal now
        now += seconds
        return b"x" * size

    for _ in range(2):
        assert await drip.next(lambda: piece(15, 1)) == b"x"
        now += 1000
    with pytest.raises(TransportError, match="less than 10 bytes a second"):
        await drip.next(lambda: piece(1, 1))
    steady = Drip(limits, clock=lambda: now)
    for _ in range(100):
        await steady.next(lambda: piece(29, 290))
    assert await steady.next(lambda: piece(29, 0)) == b""


async def test_a_server_that_drips_is_an_outage(tmp_path: Path) -> None:
    torn = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"
    async with web(tmp_path, lambda _t, _h: torn, idle_s=0.05) as at, at.fetcher.fetch(at.url("/a")) as fetched:
        with pytest.raises(SourceUnavailableError):
            await fetched.body.all(9)
