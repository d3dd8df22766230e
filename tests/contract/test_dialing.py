"""Both transports dial by the same rules: only to addresses that were permitted, and only to who shows a good certificate."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import RequestRefusedError
from config.limits import Limits
from ingest.gate import Gates
from ingest.s3.client import Location, S3Client
from ingest.s3.dial import Where
from ingest.s3.http import open_http
from ingest.s3.transport import Transport, TransportError
from tests.fakes.certificates import self_signed
from tests.fakes.s3_access import FakeAccess, chosen
from tests.fakes.script import Server, Talk, always, scripted

ON_BOTH_LOOPS = True
pytestmark = pytest.mark.usefixtures("transport")

FIVE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CLOSING = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


async def read(http: Transport, origin: str) -> bytes:
    answer = await http.send("GET", origin, "/", {"host": "x"})
    try:
        return await answer.all(100)
    finally:
        answer.leave()


async def refused(http: Transport, origin: str) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await read(http, origin)
    return caught.value


class Names:
    """A name service under a test's hand: each answer in turn, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[Where]:
        self.asked.append(host)
        ips = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [Where(socket.AF_INET, ip, port) for ip in ips]


def only(*good: str) -> Callable[[str, str], None]:
    def permit(host: str, ip: str) -> None:
        if ip not in good:
            raise TransportError("AddressDenied", f"{host} is at {ip}, which is not permitted")

    return permit


@pytest.mark.parametrize("host", ["127.0.0.1", "storage.test"])
async def test_an_address_that_is_denied_is_not_connected_to(host: str) -> None:
    """A literal address passes the same check as a name."""
    async with (
        scripted(always(FIVE)) as server,
        open_http(Limits(), chosen.kind, permit=only("10.0.0.1"), look_up=Names(["127.0.0.1"])) as http,
    ):
        error = await refused(http, f"http://{host}:{server.port}")
        assert (error.code, error.why) == ("AddressDenied", f"{host} is at 127.0.0.1, which is not permitted")
        assert server.connections == 0


async def test_a_name_that_moves_to_a_denied_address_is_not_followed() -> None:
    """DNS rebinding: what was permitted is what is connected to, and a later look-up is checked anew."""
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    async with (
        scripted(always(CLOSING)) as server,
        open_http(Limits(names_s=0.05), chosen.kind, permit=only("127.0.0.1"), look_up=names) as http,
    ):
        origin = f"http://storage.test:{server.port}"
        assert await read(http, origin) == await read(http, origin) == b"hello"
        assert names.asked == ["storage.test"]
        await asyncio.sleep(0.06)  # for what is kept of the name to grow old
        assert (await refused(http, origin)).code == "AddressDenied"
        assert (len(names.asked), server.connections) == (2, 2)


async def test_of_several_addresses_only_permitted_ones_are_tried_and_a_dead_one_is_passed_over() -> None:
    async with (
        scripted(always(CLOSING)) as server,
        open_http(
            Limits(),
            chosen.kind,
            permit=only("127.0.0.1", "127.0.0.9"),
            look_up=Names(["127.0.0.9", "127.0.0.5", "127.0.0.1"]),  # only the last one listens
        ) as http,
    ):
        for _ in range(4):
            assert await read(http, f"http://storage.test:{server.port}") == b"hello"


async def test_a_client_is_told_in_its_own_words() -> None:
    async with open_http(Limits(attempts=1), chosen.kind, permit=only(), look_up=Names(["10.1.2.3"])) as http:
        where = Location(bucket="bkt", region="us-east-1", endpoint="http://storage.test:9000")
        client = S3Client(
            http=http, gates=Gates(Limits()), access=FakeAccess(), location=where, limits=Limits(attempts=1)
        )
        with pytest.raises(RequestRefusedError, match=r"HEAD s3://bkt/k: storage\.test is at 10\.1\.2\.3") as caught:
            await client.head(b"k")
        assert caught.value.code == "AddressDenied"


@pytest.mark.parametrize("answer", [[], None])
async def test_a_name_without_an_address_can_not_be_reached(answer: list[str] | None) -> None:
    async def look_up(host: str, port: int) -> list[Where]:
        if answer is None:
            raise socket.gaierror(-2, "Name or service not known")
        return []

    async with open_http(Limits(), chosen.kind, look_up=look_up) as http:
        error = await refused(http, "http://storage.test")
        assert error.code == "Unreachable"
        assert "can't be reached" in error.why


async def test_nobody_listening_is_told() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        async with open_http(Limits(), chosen.kind) as http:
            error = await refused(http, f"http://127.0.0.1:{bound.getsockname()[1]}")
    assert error.code == "Unreachable"


# -- TLS


async def test_a_certificate_that_is_trusted_and_of_the_right_name_is_good(tmp_path: Path) -> None:
    serving, trust = self_signed(tmp_path, "storage.test", "127.0.0.1")
    async with (
        scripted(always(FIVE), tls=serving) as server,
        open_http(Limits(), chosen.kind, trust=trust, look_up=Names(["127.0.0.1"])) as http,
    ):
        for origin in (server.origin, f"https://storage.test:{server.port}") * 2:
            assert await read(http, origin) == b"hello"
        assert server.connections == 2


@pytest.mark.parametrize("trusted", [False, True])
async def test_any_other_certificate_is_refused(tmp_path: Path, trusted: bool) -> None:
    """One that nobody vouches for, and one of another name."""
    serving, trust = self_signed(tmp_path, "other.test")
    async with (
        scripted(always(FIVE), tls=serving) as server,
        open_http(
            Limits(), chosen.kind, trust=trust if trusted else None, look_up=Names(["127.0.0.1", "127.0.0.1"])
        ) as http,
    ):
        error = await refused(http, f"https://storage.test:{server.port}")
        assert error.code == "CertificateInvalid"
        assert server.requests == []


async def test_a_server_without_tls_is_not_reached_by_https() -> None:
    async def script(talk: Talk) -> None:
        await talk.reader.read(1)
        await talk.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await talk.gone()

    async with scripted(script) as server, open_http(Limits(), chosen.kind) as http:
        assert (await refused(http, _https(server))).code in {"Unreachable", "ConnectionLost"}


async def test_large_bodies_torn_bodies_and_cancelled_ones_over_tls(tmp_path: Path) -> None:
    serving, trust = self_signed(tmp_path, "127.0.0.1")
    body = bytes(range(256)) * 3000

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        await talk.say(body if talk.number != 2 else body[:-1])
        if talk.number != 2:
            await talk.gone()

    async with scripted(script, tls=serving) as server, open_http(Limits(), chosen.kind, trust=trust) as http:
        answer = await http.send("GET", server.origin, "/", {"host": "x"})
        assert await answer.all(1 << 20) == body
        left = await http.send("GET", server.origin, "/", {"host": "x"})  # the first one is still held
        with pytest.raises(TransportError) as caught:
            await left.all(1 << 20)
        assert caught.value.code in {"BodyIncomplete", "ConnectionLost"}
        third = await http.send("GET", server.origin, "/", {"host": "x"})
        assert len(await third.some()) > 0
        for one in (answer, left, third):
            one.leave()


@pytest.mark.parametrize("tls", [False, True])
async def test_a_server_that_accepts_and_says_nothing_is_given_up_and_a_cancelled_dial_leaves_nothing(
    tmp_path: Path, tls: bool
) -> None:
    trust = self_signed(tmp_path, "127.0.0.1")[1] if tls else None
    came = asyncio.Event()

    async def script(talk: Talk) -> None:
        came.set()
        await talk.gone()

    limits = Limits(connect_s=0.1, first_byte_s=0.1)
    async with scripted(script) as server, open_http(limits, chosen.kind, trust=trust) as http:
        origin = _https(server) if tls else server.origin
        assert (await refused(http, origin)).code == "TimedOut"
        came.clear()
        task = asyncio.create_task(read(http, origin))
        await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def _https(server: Server) -> str:
    return f"https://127.0.0.1:{server.port}"


def test_the_systems_certificates_are_read_when_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_args: object, **_fields: object) -> ssl.SSLContext:
        raise AssertionError("read though nothing asked for TLS")

    monkeypatch.setattr(ssl, "create_default_context", never)

    async def plain() -> None:
        async with scripted(always(FIVE)) as server, open_http(Limits(), "lean") as http:
            assert await read(http, server.origin) == b"hello"

    asyncio.run(plain())
