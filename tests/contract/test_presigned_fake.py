"""The fake S3 checks presigned URLs, and tells browsers which other origins a bucket takes requests from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from tests.fakes.iam_documents import policy, reads
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_oracle import presigned
from tests.fakes.sts import Grant

RULE = {
    "AllowedOrigins": ["https://app.example.com", "http://*.dev.example"],
    "AllowedMethods": ["GET"],
    "AllowedHeaders": ["range", "x-amz-*"],
    "ExposeHeaders": ["ETag"],
    "MaxAgeSeconds": 600,
}


@dataclass(slots=True)
class Browser:
    """Somebody with a URL and no keys."""

    s3: FakeS3
    http: aiohttp.ClientSession
    grant: Grant

    def url(self, key: str = "in/k", query: str = "", **fields: Any) -> str:
        url = f"{self.s3.url}/b/{quote(key)}{'?' if query else ''}{query}"
        return presigned(url, fields.pop("grant", self.grant), **fields)

    async def ask(self, url: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        # the URL as it was signed, not as aiohttp would write it
        async with self.http.request(method, URL(url, encoded=True), headers=named) as answer:
            return answer.status, await answer.text(), dict(answer.headers)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with FakeS3() as s3, aiohttp.ClientSession() as http:
        s3.create_bucket("b", cors=[RULE])
        for key in ("in/k", "in/a b+ü%", "out/k"):
            s3.put("b", key.encode(), b"body", content_type="image/png")
        role = s3.sts.add_role("arn:aws:iam::111122223333:role/reader", policy=policy(*reads("b", "in/")))
        yield Browser(s3, http, s3.sts.new_session(role))


@pytest.mark.parametrize("key", ["in/k", "in/a b+ü%"])
async def test_a_presigned_url_opens_one_object(browser: Browser, key: str) -> None:
    assert (await browser.ask(browser.url(key)))[:2] == (200, "body")
    status, text, _ = await browser.ask(browser.url(key), range="bytes=1-2")
    assert (status, text) == (206, "od")
    assert browser.s3.requests("get")[-1].access_key_id == browser.grant.access_key_id


async def test_a_presigned_url_may_say_how_the_answer_is_called(browser: Browser) -> None:
    query = f"response-content-disposition={quote('attachment; filename=x y.png', safe='')}&response-content-type=text%2Fplain"
    _, _, headers = await browser.ask(browser.url(query=query))
    assert (headers["Content-Disposition"], headers["Content-Type"]) == ("attachment; filename=x y.png", "text/plain")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda url: url.replace("/in/k", "/in/l"), "SignatureDoesNotMatch"),
        (lambda url: url.replace("Expires=900", "Expires=901"), "SignatureDoesNotMatch"),
        (lambda url: url + "&versionId=1", "SignatureDoesNotMatch"),
        (lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"), "SignatureDoesNotMatch"),
        (lambda url: url.partition("?")[0], "AccessDenied"),
    ],
)
async def test_a_url_that_was_changed_opens_nothing(browser: Browser, change: Any, reason: str) -> None:
    status, text, _ = await browser.ask(change(browser.url()))
    assert (status, f"<Code>{reason}</Code>" in text) == (403, True)


async def test_a_url_is_for_one_method(browser: Browser) -> None:
    assert (await browser.ask(browser.url(), "HEAD"))[0] == 403
    assert (await browser.ask(browser.url(method="HEAD"), "HEAD"))[0] == 200


async def test_a_url_ends_with_its_time_or_with_its_session(browser: Browser) -> None:
    short, long = browser.url(lasts_s=60), browser.url(lasts_s=7200)
    browser.s3.advance(61)
    status, text, _ = await browser.ask(short)
    assert (status, "Request has expired" in text) == (403, True)
    assert (await browser.ask(long))[0] == 200
    browser.s3.advance(3600)
    status, text, _ = await browser.ask(long)
    assert (status, "ExpiredToken" in text) == (400, True)


async def test_a_url_lasts_a_week_at_most_and_does_not_begin_tomorrow(browser: Browser) -> None:
    status, text, _ = await browser.ask(browser.url(lasts_s=604_801))
    assert (status, "AuthorizationQueryParametersError" in text) == (400, True)
    url = browser.url()
    browser.s3.advance(-3600)
    assert "Request is not valid yet" in (await browser.ask(url))[1]


async def test_a_url_opens_what_its_session_may_read(browser: Browser) -> None:
    assert (await browser.ask(browser.url("out/k")))[0] == 403


async def test_a_url_names_a_version(browser: Browser) -> None:
    browser.s3.buckets["b"].versioned = True
    role = browser.grant.role
    assert role is not None
    role.change(policy=None)
    browser.s3.put("b", b"in/k", b"newer")
    assert (await browser.ask(browser.url()))[1] == "newer"
    assert (await browser.ask(browser.url(query="versionId=null")))[1] == "body"


@pytest.mark.parametrize(
    ("origin", "method", "headers", "status"),
    [
        ("https://app.example.com", "GET", "range, x-amz-date", 200),
        ("http://me.dev.example", "GET", "", 200),
        ("https://evil.example.com", "GET", "", 403),
        ("https://app.example.com", "PUT", "", 403),
        ("https://app.example.com", "GET", "authorization", 403),
    ],
)
async def test_a_preflight_is_answered_by_the_buckets_rules(
    browser: Browser, origin: str, method: str, headers: str, status: int
) -> None:
    asked = {"Origin": origin, "Access_Control_Request_Method": method}
    asked |= {"Access_Control_Request_Headers": headers} if headers else {}
    found, _, answered = await browser.ask(browser.url(), "OPTIONS", **asked)
    assert found == status
    if status == 200:
        assert answered["Access-Control-Allow-Origin"] == origin
        assert answered["Access-Control-Max-Age"] == "600"
        assert answered.get("Access-Control-Allow-Headers", "") == headers
    else:
        assert "Access-Control-Allow-Origin" not in answered


async def test_an_answer_names_the_origin_it_is_for(browser: Browser) -> None:
    for url, status in ((browser.url(), 200), (browser.url("out/k"), 403)):
        found, _, headers = await browser.ask(url, Origin="https://app.example.com")
        assert (found, headers["Access-Control-Allow-Origin"]) == (status, "https://app.example.com")
        assert headers["Access-Control-Expose-Headers"] == "ETag"
    assert "Access-Control-Allow-Origin" not in (await browser.ask(browser.url(), Origin="https://evil.example"))[2]
    assert "Access-Control-Allow-Origin" not in (await browser.ask(browser.url()))[2]
    browser.s3.buckets["b"].cors = [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]
    assert (await browser.ask(browser.url(), Origin="https://x.example"))[2]["Access-Control-Allow-Origin"] == "*"
    browser.s3.buckets["b"].cors = []
    preflight = {"Origin": "https://x.example", "Access_Control_Request_Method": "GET"}
    assert "CORS is not enabled" in (await browser.ask(browser.url(), "OPTIONS", **preflight))[1]
