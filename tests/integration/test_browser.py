"""Objects load straight into a real browser, by URLs that a role's session signed."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from config.settings import Settings
from console.media import media
from credentials.kinds import RoleSpec
from credentials.policies.cors import cors_rules
from credentials.policies.setup import Setup
from ingest.presign import Wanted
from tests.browser import Page, a_page, browser
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_wire import Answer, Request, WireServer
from tests.fakes.sts import OPERATOR_KEY, OPERATOR_SECRET
from worker.service import Service, open_service

pytestmark = [
    pytest.mark.skipif(browser() is None, reason="no Chromium on this machine: install Debian's package chromium"),
    pytest.mark.timeout(180),
]
ROLE: Final = "arn:aws:iam::444455556666:role/longshore-reader"
_ODD: Final = "pictures/ä b+c%2F?#&🦭//x.png"
_HTML: Final = """<!doctype html><meta charset="utf-8"><title>objects</title><style>body{font:16px sans-serif}img{height:90px}
#shown{display:flex;flex-wrap:wrap;gap:12px}p{display:flex;flex-direction:column;margin:0}</style>
<h1>Objects of a customer's bucket</h1><div id="shown"></div><script>
const add = (kind, caption) => { const box = document.createElement("p"), one = document.createElement(kind);
  box.append(one, " " + caption); document.getElementById("shown").append(box); return one; };
const shown = (url, caption, cors) => new Promise(done => { const one = add("img", caption); if (cors) one.crossOrigin = "anonymous";
  one.onload = () => done([one.naturalWidth, one.naturalHeight]); one.onerror = () => done("error"); one.src = url; });
const played = url => new Promise(done => { const one = add("video", "a tone"); one.controls = true; one.style.height = "60px";
  one.onloadeddata = () => done(one.duration); one.onerror = () => done("error " + one.error.message); one.src = url; });
const fetched = (url, headers) => fetch(url, {headers}).then(async got => ({status: got.status, size: (await got.arrayBuffer()).byteLength,
  range: got.headers.get("Content-Range"), etag: got.headers.get("ETag"), hidden: got.headers.get("x-amz-meta-hidden")}))
  .catch(error => String(error));
</script>"""


@dataclass(frozen=True, slots=True)
class Scene:
    s3: FakeS3
    service: Service
    page: Page

    async def urls(self, *wanted: Wanted, expires_s: int = 900) -> list[str]:
        signed = await self.service.presigning.sign(wanted, connection="acme", expires_s=expires_s, actor="test")
        return [one.presigned.url for one in signed]


def _cors(origin: str) -> list[dict[str, Any]]:
    """The rules that we print for customers."""
    return cors_rules(Setup(connection="acme", workspace="main", origins=(origin,)))


async def _html(request: Request) -> Answer:
    if request.path != "/":
        return Answer(status=404)
    return Answer(headers={"Content-Type": "text/html; charset=utf-8"}, body=_HTML.encode())


@pytest.fixture
def _ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own identity, and nothing else of this machine's."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "LONGSHORE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", OPERATOR_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", OPERATOR_SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
async def scene(_ours: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    async with FakeS3() as s3, WireServer(_html) as server:
        page_url = f"http://127.0.0.1:{server.port}/"
        s3.create_bucket("acme", region="eu-central-1", cors=_cors(page_url.rstrip("/")))
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        monkeypatch.setenv("LONGSHORE_CATALOG_URL", f"sqlite:///{tmp_path / 'longshore.db'}")
        async with _service(s3) as service, a_page(page_url, tmp_path) as page:
            yield Scene(s3, service, page)


@asynccontextmanager
async def _service(s3: FakeS3) -> AsyncIterator[Service]:
    async with open_service(Settings.load(), observe=lambda _event: None) as service:
        fields = {"kind": "aws_role", "name": "acme", "role_arn": ROLE, "allow": ["s3://acme"]}
        connection = await service.registry.create(fields, workspace="main", actor="test")
        assert isinstance(connection.spec, RoleSpec)
        s3.sts.add_role(ROLE, external_id=connection.spec.external_id)
        yield service


@pytest.mark.acceptance("KO-01", "KO-03")
async def test_pictures_show_sounds_play_and_ranges_are_fetched(scene: Scene, tmp_path: Path) -> None:
    s3, page = scene.s3, scene.page
    files = {f"in/{number}.{one.ending}": one for number, one in enumerate(media(5))}
    for name, one in files.items():
        s3.put("acme", name.encode(), one.body, content_type=one.content_type, metadata={"hidden": "yes"})
    (png,) = (one for one in files.values() if one.ending == "png")
    s3.put("acme", _ODD.encode(), png.body)  # stored without a type of its own
    wanted = [Wanted("acme", name.encode()) for name in files]
    wanted.append(Wanted("acme", _ODD.encode(), content_type="image/png"))
    with capture_logs() as logs:
        urls = {one.key.decode(): url for one, url in zip(wanted, await scene.urls(*wanted), strict=True)}
    assert "X-Amz" not in repr(logs)

    for name, url in urls.items():
        if name.endswith(".wav"):
            assert await page.evaluate(f"played({json.dumps(url)})") > 0
        else:
            width, height = await page.evaluate(f"shown({json.dumps(url)}, {json.dumps(name)}, true)")
            assert width > 0 < height
    (tone,) = (seen for seen in s3.requests("get") if seen.key.endswith(b".wav"))
    assert (tone.headers["range"], tone.status) == ("bytes=0-", 206)

    jpeg = next(name for name in files if name.endswith(".jpg"))
    got = await page.evaluate(f"fetched({json.dumps(urls[jpeg])}, {{Range: 'bytes=0-9'}})")
    assert {name: got[name] for name in ("status", "size", "hidden")} == {"status": 206, "size": 10, "hidden": None}
    assert got["range"] == f"bytes 0-9/{len(files[jpeg].body)}"
    again = {"Range": "bytes=10-19", "If-Match": got["etag"]}
    assert (await page.evaluate(f"fetched({json.dumps(urls[jpeg])}, {json.dumps(again)})"))["status"] == 206
    assert s3.requests("options")
    screenshot = tmp_path / "shown.png"
    screenshot.write_bytes(await page.screenshot())
    assert screenshot.stat().st_size > 5_000


@pytest.mark.acceptance("KO-03")
async def test_a_url_that_has_ended_shows_nothing(scene: Scene) -> None:
    (picture,) = media(1)
    scene.s3.put("acme", b"a.jpg", picture.body, content_type=picture.content_type)
    wanted = Wanted("acme", b"a.jpg")
    early, late = [json.dumps(url) for seconds in (59, 60) for url in await scene.urls(wanted, expires_s=seconds)]
    # two URLs, since a browser that has cached an answer without CORS's headers takes it for one that should have them
    assert await scene.page.evaluate(f"shown({early}, 'in time')") != "error"
    scene.s3.advance(61)
    assert await scene.page.evaluate(f"shown({late}, 'too late', true)") == "error"
    assert (await scene.page.evaluate(f"fetched({late}, {{Range: 'bytes=0-9'}})"))["status"] == 403
    assert [seen.status for seen in scene.s3.requests("get")] == [200, 403, 403]


async def test_a_page_that_the_bucket_does_not_know_reads_nothing(scene: Scene) -> None:
    """The picture itself shows anywhere, as everywhere on the web; its bytes stay unread."""
    (picture,) = media(1)
    scene.s3.put("acme", b"a.jpg", picture.body, content_type=picture.content_type)
    scene.s3.buckets["acme"].cors = _cors("https://app.example.com")
    (signed,) = await scene.urls(Wanted("acme", b"a.jpg"))
    url = json.dumps(signed)
    assert "TypeError" in await scene.page.evaluate(f"fetched({url}, {{Range: 'bytes=0-9'}})")
    assert await scene.page.evaluate(f"shown({url}, 'without CORS')") != "error"


async def test_a_browser_takes_dots_out_of_a_path_so_such_a_key_is_told_apart(scene: Scene) -> None:
    """By the URL Standard it does so with `.` and `%2e` alike: no URL of this object can be written for a browser."""
    (picture,) = media(1)
    scene.s3.put("acme", b"a/./b.jpg", picture.body, content_type=picture.content_type)
    one = Wanted("acme", b"a/./b.jpg")
    assert not one.fit_for_browsers
    (signed,) = await scene.urls(one)
    assert await scene.page.evaluate(f"shown({json.dumps(signed)}, 'dots')") == "error"
    assert scene.s3.requests("get")[-1].key == b"a/b.jpg"
