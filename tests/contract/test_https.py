"""HTTPS sources over both transports: redirects, credentials, ranges, bounds, and an error that says what to do for everything else."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path

import pytest

from config.errors import (
    AccessDeniedError,
    ObjectMissingError,
    ProtocolError,
    RequestRefusedError,
    SourceError,
    SourceUnavailableError,
)
from config.origins import WebAddress
from tests.fakes.web import HOST, TOKEN, answer, to, web

ON_BOTH_LOOPS = True
pytestmark = pytest.mark.usefixtures("transport")

BODY = bytes(range(256)) * 40


def bearer(_address: WebAddress) -> Mapping[str, str]:
    return {"authorization": f"Bearer {TOKEN}", "cookie": "a=b", "x-api-key": TOKEN}


def basic(_address: WebAddress) -> Mapping[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"me:{TOKEN}".encode()).decode()}


def served(target: str, headers: dict[str, str]) -> bytes:
    """A server that knows ranges and wants a token."""
    del target
    if not headers.get("authorization", "").startswith(("bearer ", "basic ")):
        return answer(401)
    if "range" not in headers:
        return answer(200, BODY, etag='"x"')
    first, _, last = headers["range"].removeprefix("bytes=").partition("-")
    if int(first) >= len(BODY):
        return answer(416, content_range=f"bytes */{len(BODY)}")
    end = min(int(last or len(BODY)), len(BODY) - 1)
    return answer(206, BODY[int(first) : end + 1], content_range=f"bytes {first}-{end}/{len(BODY)}")


# -- what is good


async def test_an_object_is_read_with_the_connections_credentials_and_uncompressed(tmp_path: Path) -> None:
    async with web(tmp_path, served) as at:
        assert await at.read("/a%20b?x=1", credentials=bearer) == BODY
        assert await at.read("/a", credentials=basic) == BODY
        request = at.one.requests[0].decode().lower()
        assert request.startswith("get /a%20b?x=1 http/1.1\r\n")
        assert f"\r\nhost: {HOST}:{at.one.port}\r\n" in request
        assert request.count("accept-encoding: identity") == request.count("accept-encoding") == 1
        assert "user-agent: longshore" in request
        assert at.one.connections == 1


async def test_a_head_tells_the_size_and_has_no_body(tmp_path: Path) -> None:
    async with (
        web(tmp_path, served) as at,
        at.fetcher.fetch(at.url("/a"), method="HEAD", credentials=bearer) as fetched,
    ):
        assert (fetched.status, fetched.size, fetched.redirects) == (200, len(BODY), 0)
        assert fetched.headers["etag"] == '"x"'
        assert await fetched.body.some() == b""
        assert at.one.requests[0].startswith(b"HEAD ")
        assert HOST not in repr(fetched)


@pytest.mark.parametrize(
    ("first", "last"), [(0, 0), (0, 99), (100, 199), (10_000, None), (None, 9), (10_239, 20_000), (5_000, 99_999)]
)
@pytest.mark.parametrize("knows_ranges", [True, False])
async def test_a_range_is_those_bytes_whether_the_server_knows_ranges_or_not(
    tmp_path: Path, first: int | None, last: int | None, knows_ranges: bool
) -> None:
    def whole(_target: str, _headers: dict[str, str]) -> bytes:
        return answer(200, BODY)

    async with web(tmp_path, served if knows_ranges else whole) as at:
        got = await at.read("/a", credentials=bearer, first=first, last=last)
        assert got == BODY[first or 0 : None if last is None else last + 1]


async def test_a_length_that_nobody_said_is_the_end_of_the_body(tmp_path: Path) -> None:
    async with web(
        tmp_path,
        lambda _t, _h: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    ) as at:
        assert await at.read("/") == b"abcde"
        assert await at.read("/", first=1, last=3) == b"bcd"
        assert await at.read("/", first=4, last=30) == b"e"


# -- redirects and credentials


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_on_the_same_server_keep_the_credentials(tmp_path: Path, status: int) -> None:
    def script(target: str, headers: dict[str, str]) -> bytes:
        return served(target, headers) if target == "/end" else to("/end", status)

    async with web(tmp_path, script) as at, at.fetcher.fetch(at.url("/start"), credentials=bearer) as fetched:
        assert (fetched.url, fetched.redirects) == (at.url("/end"), 1)
        assert await fetched.body.all(1 << 20) == BODY


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("other", ["port", "host"])
async def test_another_server_gets_no_credentials_and_they_do_not_come_back(
    tmp_path: Path, other: str, back: bool
) -> None:
    def one(target: str, headers: dict[str, str]) -> bytes:
        host = "other.example.com" if other == "host" else HOST
        port = at.one.port if other == "host" else at.two.port
        if headers["host"].startswith("other."):
            return two(target, headers)
        return to(f"https://{host}:{port}/two") if target == "/one" else answer(200, b"again")

    def two(_target: str, _headers: dict[str, str]) -> bytes:
        return to(at.url("/again")) if back else answer(200, b"two")

    async with web(tmp_path, one, two) as at:
        assert await at.read("/one", credentials=bearer) == (b"again" if back else b"two")
        requests = at.one.requests + at.two.requests
        assert len(requests) == (3 if back else 2)
        with_token = [request for request in requests if TOKEN.encode() in request or b"a=b" in request]
        assert with_token == [request for request in requests if request.startswith(b"GET /one ")]


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://files.example.com/", "RedirectRefused"),
        ("http://169.254.169.254/latest/meta-data/", "RedirectRefused"),
        ("https://169.254.169.254/latest/meta-data/", "RedirectRefused"),
        ("https://[fd00:ec2::254]/", "RedirectRefused"),
        ("https://metadata.example.com/", "AddressDenied"),
        ("https://user:pw@files.example.com/", "RedirectRefused"),
        ("https://files.example.com:22/", "RedirectRefused"),
        ("file:///etc/passwd", "RedirectRefused"),
        ("", "RedirectRefused"),
        ("/\\evil.example.com", "RedirectRefused"),
    ],
)
async def test_redirects_to_where_nobody_may_go_are_refused(tmp_path: Path, location: str, code: str) -> None:
    async with web(tmp_path, lambda _t, _h: to(location)) as at:
        at.names["metadata.example.com"] = ["169.254.169.254"]
        error = await at.error("/", credentials=bearer)
        assert (type(error), error.code) == (RequestRefusedError, code)
        assert error.message.startswith(f"GET {at.url('/')}")
        assert "pw@" not in error.message


async def test_so_many_redirects_and_no_circles(tmp_path: Path) -> None:
    def script(target: str, _headers: dict[str, str]) -> bytes:
        if target == "/circle":
            return to("/circle?2")
        if target == "/circle?2":
            return to("/circle")
        number = int(target.removeprefix("/"))
        return to(f"/{number - 1}") if number else answer(200, b"here")

    async with web(tmp_path, script) as at:
        assert await at.read("/5") == b"here"
        error = await at.error("/6")
        assert error.code == "TooManyRedirects"
        assert "more than 5 times" in error.message
        error = await at.error("/circle")
        assert error.code == "TooManyRedirects"
        assert "in a circle" in error.message


async def test_every_hop_is_dialled_by_the_guard_to_good_addresses_only(tmp_path: Path) -> None:
    """A name with one good address and a bad one: the good one is used; one with bad ones only is refused."""
    async with web(tmp_path, served) as at:
        at.names[HOST] = ["10.0.0.1", "127.0.0.1", "169.254.169.254"]
        for _ in range(4):
            assert await at.read("/", credentials=bearer) == BODY
    async with web(tmp_path, served) as at:
        at.names[HOST] = ["10.0.0.1", "127.0.0.2", "::1", "169.254.169.254"]
        assert (await at.error("/")).code == "AddressDenied"
        assert at.one.connections == 0


# -- what is not good


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, AccessDeniedError, "Unauthorized"),
        (403, AccessDeniedError, "Forbidden"),
        (404, ObjectMissingError, "NotFound"),
        (410, ObjectMissingError, "NotFound"),
        (405, RequestRefusedError, "MethodNotAllowed"),
        (418, RequestRefusedError, "RequestRefused"),
        (429, SourceUnavailableError, "TooManyRequests"),
        (500, SourceUnavailableError, "InternalError"),
        (503, SourceUnavailableError, "ServiceUnavailable"),
        (304, ProtocolError, "Protocol"),
        (206, ProtocolError, "Protocol"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_refusal_is_told_by_its_status(
    tmp_path: Path, status: int, kind: type[SourceError], code: str, method: str
) -> None:
    said = answer(status, b"" if status == 304 else f"you said {TOKEN}".encode(), retry_after="7")
    async with web(tmp_path, lambda _t, _h: said) as at:
        error = await at.error("/secret?sig=abcdef", method=method, credentials=bearer)
        assert (type(error), error.code, error.fields["status"]) == (kind, code, status)
        assert error.fields["retry_after_s"] == 7
        assert error.message.startswith(f"{method} {at.url('/secret')}: ")
        assert "abcdef" not in error.message


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://files.example.com/", "https://"),
        ("https://me:hunter2-hunter2-hunter2@files.example.com/", "before the @"),
        ("https://files.example.com:22/", "port 22"),
        ("https://2130706433/", "number"),
    ],
)
async def test_an_address_that_can_not_be_is_not_even_looked_up(tmp_path: Path, url: str, said: str) -> None:
    async with web(tmp_path, served) as at:
        with pytest.raises(RequestRefusedError, match=said) as caught:
            async with at.fetcher.fetch(url):
                pass
        assert caught.value.code == "AddressInvalid"
        assert TOKEN not in repr(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("authorization", "Bearer x\r\nHost: evil"),
        ("authorization", "Bearer x\ny"),
        ("authorization", "Bearer \0"),
        ("authorization", "Bearer é"),
        ("authorization", " x"),
        ("authorization", ""),
        ("x: y\r\nz", "x"),
        ("", "x"),
        ("Host", "evil.example.com"),
        ("Accept-Encoding", "gzip"),
        ("content-length", "5"),
    ],
)
async def test_credentials_break_out_of_no_header_and_replace_none_of_ours(
    tmp_path: Path, name: str, value: str
) -> None:
    async with web(tmp_path, served) as at:
        error = await at.error("/", credentials=lambda _a: {name: value})
        assert error.code == "RequestInvalid"
        assert at.one.connections == 0


async def test_a_certificate_of_another_name_and_one_that_nobody_vouches_for(tmp_path: Path) -> None:
    async with web(tmp_path, served) as at:
        with pytest.raises(RequestRefusedError, match="certificate") as caught:
            async with at.fetcher.fetch(at.url("/", host="third.example.com"), credentials=bearer):
                pass
        assert caught.value.code == "CertificateInvalid"
        assert at.one.requests == []


async def test_a_redirect_to_a_server_that_can_not_show_who_it_is_tells_it_nothing(tmp_path: Path) -> None:
    """Even an address that the operator opened shows who it is before it is told anything."""
    async with web(tmp_path, lambda _t, _h: to(f"https://third.example.com:{at.two.port}/")) as at:
        assert (await at.error("/", credentials=bearer)).code == "CertificateInvalid"
        assert at.two.requests == []


async def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    async with web(tmp_path, lambda _t, _h: b"", first_byte_s=0.1) as at:
        error = await at.error("/")
        assert (type(error), error.code) == (SourceUnavailableError, "TimedOut")


async def test_redirects_together_take_no_longer_than_one_request_may(tmp_path: Path) -> None:
    async with web(tmp_path, lambda _t, _h: b"", request_s=0.1) as at:
        assert (await at.error("/")).code == "TimedOut"


async def test_an_object_may_have_so_many_bytes(tmp_path: Path) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"5\r\nabcde\r\n" * 50 + b"0\r\n\r\n"
    async with web(tmp_path, lambda t, _h: chunked if t == "/c" else answer(200, BODY), https_bytes=200) as at:
        for path in ("/", "/c"):
            error = await at.error(path)
            assert (type(error), error.code) == (RequestRefusedError, "AnswerTooLarge")
        assert await at.read("/", last=199) == BODY[:200]
        async with at.fetcher.fetch(at.url("/"), last=199) as fetched:
            with pytest.raises(RequestRefusedError, match="100 bytes"):
                await fetched.body.all(100)


@pytest.mark.parametrize(
    "content_range", ["", "bytes 0-9/100", "bytes 10-30/100", "bytes 10-9/100", "bytes 10-19/15", "items 10-19/100"]
)
async def test_another_range_than_was_asked_for_is_not_taken(tmp_path: Path, content_range: str) -> None:
    async with web(tmp_path, lambda _t, _h: answer(206, b"x" * 10, content_range=content_range)) as at:
        error = await at.error("/", first=10, last=19)
        assert (type(error), error.code) == (ProtocolError, "WrongRange")


async def test_a_range_that_is_torn_or_lies_beyond_the_end_or_too_far_in(tmp_path: Path) -> None:
    def script(target: str, _headers: dict[str, str]) -> bytes:
        if target == "/torn":
            return answer(206, b"x" * 5, content_range="bytes 10-19/100")
        return answer(416) if target == "/416" else answer(200, BODY)

    async with web(tmp_path, script, range_skip_bytes=1000) as at:
        assert (await at.error("/torn", first=10, last=19)).code == "BodyIncomplete"
        assert (await at.error("/416", first=10, last=19)).code == "InvalidRange"
        assert (await at.error("/", first=20_000)).code == "InvalidRange"
        assert (await at.error("/", first=2_000)).code == "RangeIgnored"
        with pytest.raises(ValueError, match="no range"):
            await at.read("/", first=5, last=4)


async def test_a_body_that_breaks_off_is_never_taken_for_a_whole_one(tmp_path: Path) -> None:
    torn = answer(200, BODY)[:-1]

    def script(target: str, _headers: dict[str, str]) -> bytes:
        return torn if target == "/torn" else answer(200, b"x")

    async with web(tmp_path, script, idle_s=0.1) as at:
        error = await at.error("/torn")
        assert (type(error), error.code) == (SourceUnavailableError, "TimedOut")


async def test_no_more_sockets_than_there_are_places_and_each_comes_back(tmp_path: Path) -> None:
    async with web(tmp_path, served, connections_per_host=2) as at:
        await asyncio.gather(*[at.read("/", credentials=bearer) for _ in range(12)])
        for _ in range(3):
            await at.error("/")
        assert at.one.most == 2
