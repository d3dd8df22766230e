"""No address that leads inside is connected to, however it is written and whoever names it: a canary counts who comes."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config.errors import LongshoreError, SettingsError, SourceError
from config.limits import Limits
from config.networks import Networks
from config.origins import Origins, checked_endpoint
from ingest.gate import Gates
from ingest.https import Fetcher
from ingest.s3.client import Location, S3Client
from ingest.s3.dial import Permit, Where, anywhere, guarding
from ingest.s3.http import open_http
from ingest.s3.transport import Answer, Places, Transport, TransportError
from tests.fakes.certificates import self_signed
from tests.fakes.hostile import Hostile, hostile, inner, native, wrapped
from tests.fakes.s3_access import FakeAccess, chosen
from tests.fakes.script import Server, Talk, scripted

pytestmark = pytest.mark.usefixtures("transport")

CASES = hostile(seed=5, how_many=15_000)
REFUSED = {"AddressInvalid", "AddressDenied", "RedirectRefused"}
"""Said before anything is connected to: one that was tried would be Unreachable, TimedOut, CertificateInvalid ..."""
START = "https://start.example.com/"


@dataclass(slots=True)
class Tricked:
    """A name service that leads every host to where the address of the moment would have us."""

    ips: list[str] = field(default_factory=list)
    asked: int = 0
    bitten: asyncio.Event = field(default_factory=asyncio.Event)
    """The canary was reached."""

    async def __call__(self, _host: str, port: int) -> list[Where]:
        self.asked += 1
        return [Where(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip, port) for ip in self.ips]


@dataclass(slots=True)
class Redirection:
    """What the server says that a tenant was right to name."""

    status: int
    headers: Mapping[str, str]
    bytes_read: int = 0

    async def some(self) -> bytes:
        return b""

    async def all(self, most: int) -> bytes:
        return b""

    def leave(self) -> None:
        pass


class Redirecting:
    """A transport whose first hop redirects; all others are real."""

    def __init__(self, http: Transport) -> None:
        self.location = ""
        self._http = http

    @property
    def places(self) -> Places:
        return self._http.places

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
        if origin == START.rstrip("/"):
            return Redirection(302, {"location": self.location})
        return await self._http.send(method, origin, target, headers, body=body, patience_s=patience_s, fresh=fresh)


@asynccontextmanager
async def facing_the_canary(tmp_path: Path, *, permit: Permit) -> AsyncGenerator[tuple[Transport, Tricked, Server]]:
    names = Tricked()

    async def script(talk: Talk) -> None:
        names.bitten.set()
        await talk.gone()

    trust = self_signed(tmp_path, "canary.example.com")[1]
    limits = Limits(names=1, names_s=1e-9, connect_s=2, first_byte_s=2)  # each look-up is a new one
    async with (
        scripted(script) as canary,
        open_http(limits, chosen.kind, permit=permit, look_up=names, trust=trust) as http,
    ):
        yield http, names, canary


async def code_of(fetcher: Fetcher, url: str) -> str:
    try:
        async with fetcher.fetch(url, method="HEAD"):
            return "fetched"
    except SourceError as error:
        return error.code


async def test_twenty_thousand_hostile_addresses_as_sources_and_behind_redirects(tmp_path: Path) -> None:
    """The operator even permits the canary's port on any host, so that it is no port that saves us."""
    began = time.process_time()
    async with facing_the_canary(tmp_path, permit=guarding(Networks())) as (http, names, canary):
        allowed = Origins.parse([f"https://*:{canary.port}"])
        fetcher = Fetcher(http, Limits(), allowed=allowed)
        redirecting = Redirecting(http)
        redirected = Fetcher(redirecting, Limits(), allowed=allowed)
        said: Counter[str] = Counter()
        for case in CASES:
            names.ips = [case.ip]
            url = case.at(canary.port)
            said[code := await code_of(fetcher, url)] += 1
            assert code in {"AddressInvalid", "AddressDenied"}, case
            redirecting.location = url
            code = await code_of(redirected, START)
            assert code in REFUSED or _stays(url), (case, code)
        assert canary.connections == 0
        assert said["AddressDenied"] >= 1_400  # they passed for names, and ended at the guard
        assert names.asked >= 2 * said["AddressDenied"]
    distinct = len({case.at(canary.port) for case in CASES})
    print(f"{distinct} addresses, {chosen.kind}, {time.process_time() - began:.1f} s of CPU: {dict(said)}")
    assert distinct >= 10_000


def _stays(location: str) -> bool:
    """A Location without scheme and host is a path on the server that sent it, and leads nowhere else."""
    return not urlsplit(location).netloc


async def test_the_guard_alone_suffices(tmp_path: Path) -> None:
    """Below all grammar: literal addresses, and names that lead to them, given to the transport as they are."""
    bad = [str(ip) for one in inner(6, 2) for ip in (one, *wrapped(one))] + [str(ip) for ip in native(6, 2)]
    async with facing_the_canary(tmp_path, permit=guarding(Networks())) as (http, names, canary):
        for number, ip in enumerate(bad):
            names.ips = [ip]
            host = f"[{ip}]" if ":" in ip else ip
            for origin in (f"https://{host}:{canary.port}", f"http://n{number}.example.com:{canary.port}"):
                with pytest.raises(TransportError) as caught:
                    await http.send("GET", origin, "/", {"host": "x"})
                assert caught.value.code == "AddressDenied", origin
        for odd in (
            "0x7f000001",
            "2130706433",
            "127.1",
            "①②⑦.0.0.1",
            "127。0。0。1",
            "0177.0.0.1",
            "localhost",
            "127.0.0.1.",
        ):
            names.ips = ["127.0.0.1"]
            with pytest.raises(TransportError):
                await http.send("GET", f"http://{odd}:{canary.port}", "/", {"host": "x"})
        assert canary.connections == 0


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0X7F.1",
            "0177.0.0.1",
            "017700000001",
            "0",
            "0.0.0.0",
        ),
        *(
            "①②⑦.0.0.1",
            "127。0。0。1",
            "１２７.0.0.1",
            "localhost",
            "LOCALHOST",
            "ⓛocalhost",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
        ),
        *("[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[fe80::1%1]"),
    ],
)
async def test_what_the_systems_own_resolver_makes_of_a_host_is_asked_about(tmp_path: Path, host: str) -> None:
    """It takes far more for 127.0.0.1 than our grammar lets through: each of these reached it by one reader or another."""

    async def script(talk: Talk) -> None:
        await talk.gone()

    passed: list[str] = []
    strict = guarding(Networks())

    def permit(at: str, ip: str) -> None:
        strict(at, ip)
        passed.append(ip)

    async with (
        scripted(script) as canary,
        open_http(Limits(connect_s=2), chosen.kind, permit=permit) as http,
    ):
        with pytest.raises(TransportError) as caught:
            await http.send("GET", f"http://{host}:{canary.port}", "/", {"host": "x"})
        assert caught.value.code in {"AddressDenied", "RequestInvalid", "Unreachable"}
        assert (passed, canary.connections) == ([], 0)


async def test_hostile_endpoints_of_an_s3_storage(tmp_path: Path) -> None:
    """By a name or a literal, path-style or with the bucket before the host; the operator permits any endpoint at that port."""
    some = random.Random(7).sample(CASES, 1_500) + [case for case in CASES if "https://n" in case.url]
    async with facing_the_canary(tmp_path, permit=guarding(Networks())) as (http, names, canary):
        allowed = Origins.parse([f"https://*:{canary.port}", f"http://*:{canary.port}"])
        gates, limits, said = Gates(Limits()), Limits(attempts=1), Counter[str]()
        for number, case in enumerate(some):
            names.ips = [case.ip]
            endpoint = case.at(canary.port)
            try:
                checked_endpoint(endpoint, allowed)
            except ValueError:
                said["refused when it is typed"] += 1
                if number % 4:
                    continue  # else on: the guard must suffice for a spec that was stored unchecked
            try:
                location = Location(
                    bucket="bkt", region="us-east-1", endpoint=endpoint, path_style=None if number % 2 else False
                )
                client = S3Client(http=http, gates=gates, access=FakeAccess(), location=location, limits=limits)
                await client.head(b"k")
            except SettingsError:
                said["refused as no endpoint"] += 1
            except LongshoreError as error:
                said[error.code] += 1
        assert canary.connections == 0
        assert said["AddressDenied"] > 1_500
        assert said.keys() <= {"AddressDenied", "RequestInvalid", "refused when it is typed", "refused as no endpoint"}


async def test_the_canary_would_notice(tmp_path: Path) -> None:
    """What proves the others: without the guard the same names reach it."""
    async with facing_the_canary(tmp_path, permit=anywhere) as (http, names, canary):
        fetcher = Fetcher(http, Limits(), allowed=Origins.parse([f"https://*:{canary.port}"]))
        names.ips = ["127.0.0.1"]
        asking = asyncio.create_task(code_of(fetcher, f"https://n1.example.com:{canary.port}/"))
        await asyncio.wait_for(names.bitten.wait(), 5)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert canary.connections == 1


async def test_a_name_that_is_public_at_first_and_inside_at_the_second_look_up(tmp_path: Path) -> None:
    """DNS rebinding: there is no second look-up between the question and the connection, and a later one is asked about anew."""
    looked: list[str] = []

    async def look_up(host: str, port: int) -> list[Where]:
        looked.append(host)
        return [Where(socket.AF_INET, "192.0.2.1" if len(looked) == 1 else "127.0.0.1", port)]

    asked: list[str] = []
    strict = guarding(Networks.parse(["192.0.2.0/24"]))

    def permit(host: str, ip: str) -> None:
        strict(host, ip)
        asked.append(ip)
        raise TransportError("Unreachable", "this is where it would have been dialled")

    async def script(talk: Talk) -> None:
        await talk.gone()

    async with (
        scripted(script) as canary,
        open_http(Limits(names_s=1e-9), chosen.kind, permit=permit, look_up=look_up) as http,
    ):
        fetcher = Fetcher(http, Limits(), allowed=Origins.parse([f"https://*:{canary.port}"]))
        url = f"https://rebinding.example.com:{canary.port}/"
        assert await code_of(fetcher, url) == "Unreachable"
        assert (asked, len(looked)) == (["192.0.2.1"], 1)
        assert await code_of(fetcher, url) == "AddressDenied"
        assert (asked, canary.connections) == (["192.0.2.1"], 0)


def test_what_the_generator_makes_is_what_it_says() -> None:
    assert all(ip_address(case.ip) is not None for case in CASES)
    assert len({case.url for case in CASES}) > 15_000
    assert Hostile("https://127.0.0.1:{port}/", "127.0.0.1") in CASES
