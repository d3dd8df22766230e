"""Signed URLs against a server that checks them: what they open, for how long, and where buckets are found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from yarl import URL

from config.limits import Limits
from credentials.connection import Connection
from credentials.kinds import parse_kept
from credentials.session import Access
from ingest.gate import Gates
from ingest.presign import Presigned, Presigner, Wanted
from ingest.s3.address import Address, Location
from ingest.s3.http import open_http
from ingest.s3.regions import Regions
from ingest.s3.transport import Transport
from tests.fakes.clock import ManualClock
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_access import FakeAccess, chosen, role_access
from tests.fakes.s3_faults import Fault
from tests.unit.s3.test_presigning import ODD_KEYS

pytestmark = pytest.mark.usefixtures("transport")
_KEYS = [key for key in ODD_KEYS if key != "/a"]


@dataclass(slots=True)
class Stand:
    s3: FakeS3
    http: aiohttp.ClientSession
    transport: Transport
    regions: Regions
    clock: ManualClock

    def presigner(self, access: Access | None = None, **fields: Any) -> Presigner:
        spec = {"kind": "aws_role", "name": "acme", "role_arn": "arn:aws:iam::111122223333:role/reader"}
        connection = Connection(
            id="c",
            workspace="main",
            owner="main",
            kept_id="c",
            spec=parse_kept({**spec, "allow": ["s3://bkt", "s3://other"], **fields}),
            version=1,
            created_at=0,
            updated_at=0,
        )
        return Presigner(
            connection=connection,
            access=access or role_access(self.s3),
            address=self.address,
            limits=Limits(),
            clock=self.s3.now,
        )

    async def get(self, presigned: Presigned, method: str = "GET", **headers: str) -> tuple[int, bytes, dict[str, str]]:
        async with self.http.request(method, URL(presigned.url, encoded=True), headers=headers) as answer:
            return answer.status, await answer.read(), dict(answer.headers)

    async def address(self, bucket: str) -> Address:
        location = Location(bucket=bucket, region="us-east-1", endpoint=self.s3.url)
        return await self.regions.address(location, self.transport)

    @property
    def look_ups(self) -> int:
        return len(self.s3.requests("head_bucket"))


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    async with _stand() as found:
        yield found


@asynccontextmanager
async def _stand(limits: Limits | None = None) -> AsyncIterator[Stand]:
    limits, clock = limits or Limits(), ManualClock()
    async with (
        FakeS3() as s3,
        aiohttp.ClientSession() as client,
        open_http(limits, chosen.kind) as http,
    ):
        s3.create_bucket("bkt")
        regions = Regions(gates=Gates(limits), limits=limits, monotonic=clock.monotonic)
        yield Stand(s3, client, http, regions, clock)


@pytest.mark.acceptance("KO-01", "KO-03")
async def test_a_url_opens_its_object_whatever_its_key_and_no_other(stand: Stand) -> None:
    for key in _KEYS:
        stand.s3.put("bkt", key.encode(), f"body of {key!r}".encode())
    signed = await stand.presigner().sign([Wanted("bkt", key.encode()) for key in _KEYS])
    for key, one in zip(_KEYS, signed, strict=True):
        status, body, headers = await stand.get(one)
        assert (status, body) == (200, f"body of {key!r}".encode())
        assert headers["Content-Disposition"] == "inline"
    bent = signed[0].url.replace("/bkt/a?", "/bkt/a%20b?")
    assert bent != signed[0].url
    assert (await stand.get(Presigned(bent, 0)))[0] == 403
    assert (await stand.get(signed[0], "HEAD"))[0] == 403


@pytest.mark.acceptance("KO-03")
async def test_a_url_ends_when_it_says_and_with_its_session(stand: Stand) -> None:
    stand.s3.put("bkt", b"a", b"x" * 100)
    (signed,) = await stand.presigner().sign([Wanted("bkt", b"a")], expires_s=60)
    assert (await stand.get(signed, Range="bytes=10-19"))[:2] == (206, b"x" * 10)
    stand.s3.advance(signed.expires_at - stand.s3.now() - 1)
    assert (await stand.get(signed))[0] == 200
    stand.s3.advance(1)
    status, body, _ = await stand.get(signed)
    assert (status, b"Request has expired" in body) == (403, True)
    (signed,) = await stand.presigner().sign([Wanted("bkt", b"a")], expires_s=60)
    stand.s3.sts.expire()
    status, body, _ = await stand.get(signed)
    assert (status, b"ExpiredToken" in body) == (400, True)


async def test_what_is_asked_for_comes_back_in_the_headers(stand: Stand) -> None:
    stand.s3.put("bkt", b"a", b"one", version_id="v1")
    stand.s3.put("bkt", b"a", b"two", version_id="v2")
    wanted = Wanted("bkt", b"a", version_id="v1", filename='é";x.txt', content_type="text/plain; charset=utf-8")
    status, body, headers = await stand.get((await stand.presigner().sign([wanted]))[0])
    assert (status, body) == (200, b"one")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%A9%22%3Bx.txt"


async def test_a_bucket_whose_readers_pay_and_one_of_another_owner(stand: Stand) -> None:
    stand.s3.create_bucket("other", requester_pays=True, owner="111122223333")
    stand.s3.put("other", b"a", b"one")
    wanted = [Wanted("other", b"a")]
    expected = {
        (False, None): 403,
        (True, None): 200,
        (True, "111122223333"): 200,
        (True, "999988887777"): 403,
    }
    for (pays, owner), status in expected.items():
        presigner = stand.presigner(requester_pays=pays, expected_owner=owner)
        assert (await stand.get((await presigner.sign(wanted))[0]))[0] == status


async def test_a_url_of_a_bucket_in_another_region_is_signed_for_that_one_which_is_asked_for_once(stand: Stand) -> None:
    stand.s3.create_bucket("other", region="eu-central-1")
    stand.s3.put("other", b"a", b"one")
    presigner = stand.presigner()
    signed = await asyncio.gather(*(presigner.sign([Wanted("other", b"a")]) for _ in range(20)))
    assert (await stand.get(signed[0][0]))[:2] == (200, b"one")
    assert "eu-central-1" in signed[0][0].url
    assert stand.look_ups == 1
    assert "authorization" not in stand.s3.requests("head_bucket")[0].headers
    stand.clock.advance(Limits().bucket_region_s)
    await presigner.sign([Wanted("other", b"a")])
    assert stand.look_ups == 2


@pytest.mark.parametrize("trouble", ["hidden", "down", "nonsense"])
async def test_where_the_region_is_not_told_the_connections_own_signs_and_is_asked_for_again_later(
    trouble: str,
) -> None:
    async with _stand() as stand:
        stand.s3.put("bkt", b"a", b"one")
        stand.s3.dialect.hide_region = trouble == "hidden"
        if trouble == "down":
            stand.s3.faults.add(Fault(kind="error", op="head_bucket", status=503, code="SlowDown", times=1))
        if trouble == "nonsense":
            stand.s3.buckets["bkt"].region = "no/region at all"
        presigner = stand.presigner()
        (signed,) = await presigner.sign([Wanted("bkt", b"a")])
        assert "%2Fus-east-1%2Fs3%2F" in signed.url
        if trouble != "nonsense":
            assert (await stand.get(signed))[0] == 200
        await presigner.sign([Wanted("bkt", b"a")])
        assert stand.look_ups == 1
        stand.clock.advance(Limits().bucket_region_unknown_s)
        await presigner.sign([Wanted("bkt", b"a")])
        assert stand.look_ups == 2


async def test_the_regions_that_are_remembered_have_a_bound() -> None:
    async with _stand(Limits(bucket_regions=2)) as stand:
        presigner = stand.presigner(allow=["s3://one", "s3://two", "s3://three"])
        for name in ("one", "two", "three", "three", "two", "one"):
            await presigner.sign([Wanted(name, b"a")])
        assert stand.look_ups == 4


async def test_a_revoked_role_opens_nothing_any_more(stand: Stand) -> None:
    stand.s3.put("bkt", b"a", b"one")
    access: FakeAccess = role_access(stand.s3)
    (signed,) = await stand.presigner(access).sign([Wanted("bkt", b"a")])
    stand.s3.sts.roles["arn:aws:iam::111122223333:role/reader"].denied = True
    assert (await stand.get(signed))[0] == 403
