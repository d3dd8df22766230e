"""The connection test of HTTPS servers: addresses, TLS, redirects, and whether the server asks for the credentials at all."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ingest.check.report import Report
from tests.acceptance.customers_cloud import Scene, a_scene, outcomes, step
from tests.fakes.certificates import self_signed
from tests.fakes.script import Server, Talk, scripted

HOST, OTHER = "files.example.com", "other.example.com"
SECRET = "hunter2-hunter2-hunter2"
ALL_PASSED = {"address and TLS": "passed", "with credentials": "passed", "without credentials": "passed"}
Answers = Callable[[str, dict[str, str]], bytes]


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    said = {"content-length": str(len(body)), **headers}
    lines = [f"HTTP/1.1 {status} So", *(f"{name}: {value}" for name, value in said.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def guarded_by(scheme: str, status: int = 200) -> Answers:
    return lambda _target, sent: (
        answer(status, b"x") if sent.get("authorization", "").startswith(scheme) else answer(401)
    )


@dataclass(slots=True, kw_only=True)
class Web:
    """A connection to a server whose answers the test decides."""

    scene: Scene
    server: Server
    answers: Answers

    async def test(self, kind: str = "https_bearer", **fields: Any) -> Report:
        secret = {"token": SECRET} if kind == "https_bearer" else {"username": "me", "password": SECRET}
        port = self.server.port
        whole = {"kind": kind, "allow": [f"https://{HOST}:{port}/data/"]} | secret | fields
        await self.scene.connect(**whole)
        return await self.scene.test()


@asynccontextmanager
async def a_web(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: Answers,
    *,
    names: tuple[str, ...] = (HOST, OTHER),
    **more: str,
) -> AsyncGenerator[Web]:
    serving, trusted = self_signed(tmp_path, *names)

    async def script(talk: Talk) -> None:
        while True:
            first, *rest = (await talk.request()).decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in rest if line)
            await talk.say(answers(first.split(" ")[1], {name.lower(): value for name, value in headers.items()}))

    async with scripted(script, tls=serving) as server:
        environment = {
            "LONGSHORE_ENDPOINTS": f"https://*:{server.port}",
            "LONGSHORE_NETWORKS": "127.0.0.0/8",
        } | more
        async with a_scene(tmp_path, monkeypatch, environment, trusted=trusted) as scene:
            yield Web(scene=scene, server=server, answers=answers)


@pytest.mark.acceptance("CO-04")
@pytest.mark.parametrize(("kind", "scheme"), [("https_basic", "Basic "), ("https_bearer", "Bearer ")])
async def test_a_server_that_asks_for_the_credentials_passes(
    kind: str, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_web(tmp_path, monkeypatch, guarded_by(scheme)) as web:
        report = await web.test(kind)
        assert outcomes(report) == ALL_PASSED
        assert report.verdict == "passed"
        assert SECRET not in repr(report)
        assert all(b"/data/" in request for request in web.server.requests)


async def test_a_server_that_asks_nobody_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_web(tmp_path, monkeypatch, lambda _target, _sent: answer(200, b"x")) as web:
        report = await web.test()
        assert outcomes(report) == ALL_PASSED | {"without credentials": "warning"}
        assert "whoever knows the address" in step(report, "without credentials").reasons[0].why


async def test_an_address_in_capitals_is_no_redirect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_web(tmp_path, monkeypatch, lambda _target, _sent: answer(200, b"x")) as web:
        report = await web.test(allow=[f"HTTPS://{HOST.upper()}:{web.server.port}/data/"])
        assert outcomes(report) == ALL_PASSED | {"without credentials": "warning"}


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "wrong, has ended"), (403, "may not read this path"), (404, "there is nothing"), (503, "out of reach")],
)
async def test_what_a_server_refuses_is_told(
    status: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_web(tmp_path, monkeypatch, lambda _target, _sent: answer(status)) as web:
        report = await web.test(test_location=f"https://{HOST}:{web.server.port}/data/a.txt")
        expected = {"address and TLS": "passed", "with credentials": "failed", "without credentials": "not tried"}
        assert outcomes(report) == expected
        assert says in step(report, "with credentials").reasons[0].why


async def test_nothing_at_a_place_without_a_test_location_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_web(tmp_path, monkeypatch, guarded_by("Bearer ", 404)) as web:
        report = await web.test()
        assert outcomes(report) == ALL_PASSED | {"with credentials": "warning"}
        assert "set a test location" in step(report, "with credentials").reasons[0].why


async def test_a_redirect_elsewhere_is_followed_without_the_credentials_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, bool]] = []

    def answers(target: str, sent: dict[str, str]) -> bytes:
        seen.append((sent["host"].partition(":")[0], "authorization" in sent))
        port = sent["host"].partition(":")[2]
        if sent["host"].startswith(OTHER):
            return answer(200, b"x")
        if "authorization" not in sent:
            return answer(401)
        return answer(302, location=f"https://{OTHER}:{port}{target}")

    async with a_web(tmp_path, monkeypatch, answers) as web:
        report = await web.test()
        assert outcomes(report) == ALL_PASSED
        assert f"https://{OTHER}" in step(report, "with credentials").seen
        assert "credentials were not sent there" in step(report, "with credentials").seen
        assert seen == [(HOST, True), (OTHER, False), (HOST, False)]


@pytest.mark.parametrize("location", ["http://files.example.com/a", "https://10.1.2.3/a", "https://169.254.169.254/"])
async def test_a_redirect_to_where_nobody_may_go_is_told(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_web(tmp_path, monkeypatch, lambda _target, _sent: answer(302, location=location)) as web:
        report = await web.test()
        assert step(report, "with credentials").outcome == "failed"
        assert report.verdict == "failed"


async def test_a_private_address_is_not_connected_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_web(tmp_path, monkeypatch, guarded_by("Bearer "), LONGSHORE_NETWORKS="") as web:
        report = await web.test()
        expected = {"address and TLS": "failed", "with credentials": "not tried", "without credentials": "not tried"}
        assert outcomes(report) == expected
        assert "inside a network" in step(report, "address and TLS").reasons[0].why
        assert not web.server.connections


async def test_a_certificate_of_another_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_web(tmp_path, monkeypatch, guarded_by("Bearer "), names=(OTHER,)) as web:
        report = await web.test()
        assert step(report, "address and TLS").outcome == "failed"
        assert "name this very host" in step(report, "address and TLS").reasons[0].why
        assert not web.server.requests


@pytest.mark.parametrize("gone", [{}, {"content-type": "text/html"}])
async def test_a_page_to_log_in_proves_nothing_of_the_credentials(
    gone: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown_there: set[str] = set()

    def answers(target: str, sent: dict[str, str]) -> bytes:
        if not target.startswith("/login"):
            return answer(302, location="/login?next=a")
        shown_there.update(sent)
        return answer(200, b"log in", **gone)

    async with a_web(tmp_path, monkeypatch, answers) as web:
        report = await web.test(test_location=f"https://{HOST}:{web.server.port}/data/a.txt")
        assert outcomes(report) == ALL_PASSED | {"with credentials": "warning", "without credentials": "warning"}
        shown = step(report, "with credentials")
        assert "proves nothing" in shown.seen
        assert "next=a" not in repr(report)
        assert "host" in shown_there
        assert "authorization" not in shown_there  # it lies outside of the places


async def test_an_answer_without_its_body_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = b"HTTP/1.1 206 So\r\ncontent-range: bytes 0-0/100\r\ncontent-length: 1\r\n\r\n"
    async with a_web(tmp_path, monkeypatch, lambda _target, _sent: head, LONGSHORE_LIMITS__IDLE_S="1") as web:
        report = await web.test()
        expected = {"address and TLS": "passed", "with credentials": "failed", "without credentials": "not tried"}
        assert outcomes(report) == expected


async def test_an_object_of_no_bytes_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_web(
        tmp_path, monkeypatch, lambda _, sent: answer(200) if "authorization" in sent else answer(401)
    ) as web:
        assert outcomes(await web.test()) == ALL_PASSED


@pytest.mark.parametrize(("coding", "outcome"), [("gzip", "warning"), ("identity", "passed")])
async def test_a_server_that_packs_what_it_was_asked_not_to_pack_is_a_warning(
    coding: str, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(_target: str, sent: dict[str, str]) -> bytes:
        packed = answer(200, b"\x1f\x8b\x08", **{"content-encoding": coding})
        return packed if "authorization" in sent else answer(401)

    async with a_web(tmp_path, monkeypatch, answers) as web:
        assert outcomes(await web.test()) == ALL_PASSED | {"with credentials": outcome}


async def test_a_fault_of_where_it_redirects_to_is_none_of_the_first_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(target: str, sent: dict[str, str]) -> bytes:
        port = sent["host"].partition(":")[2]
        return answer(302, location=f"https://{OTHER}:{port}{target}") if "authorization" in sent else answer(401)

    async with a_web(tmp_path, monkeypatch, answers, names=(HOST,)) as web:
        report = await web.test()
        assert step(report, "address and TLS").outcome == "passed"
        shown = step(report, "with credentials")
        assert shown.outcome == "failed"
        assert f"redirected to https://{OTHER}" in shown.seen
        assert "name this very host" in shown.reasons[0].why


async def test_silence_behind_good_tls_is_none_of_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_web(tmp_path, monkeypatch, lambda _target, _sent: b"", LONGSHORE_LIMITS__FIRST_BYTE_S="0.5") as web:
        report = await web.test()
        assert step(report, "address and TLS").outcome == "passed"
        assert step(report, "with credentials").outcome == "failed"
        assert "no answer came in time" in step(report, "with credentials").reasons[0].why


async def test_a_403_is_tried_without_the_credentials_and_blames_none_for_sure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_web(
        tmp_path, monkeypatch, lambda _, sent: answer(403) if "authorization" in sent else answer(200, b"x")
    ) as web:
        report = await web.test()
        assert step(report, "without credentials").outcome == "warning"
        assert step(report, "with credentials").reasons[0].why.startswith("perhaps")
        assert len(web.server.requests) == 2
