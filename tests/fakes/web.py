"""HTTPS servers on this machine that answer as a test says, and a fetcher that trusts them; hides names, certificates and scripts."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from config.errors import SourceError
from config.limits import Limits
from config.networks import Networks
from config.origins import Origins
from ingest.https import Fetcher
from ingest.s3.dial import Where, guarding
from ingest.s3.http import open_http
from tests.fakes.certificates import self_signed
from tests.fakes.s3_access import chosen
from tests.fakes.script import Server, Talk, scripted

HOST = "files.example.com"
TOKEN = "hunter2-hunter2-hunter2"
Answers = Callable[[str, dict[str, str]], bytes]
"""By target and headers; the method stands among them as `:method`."""


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    said = {"content-length": str(len(body)), **headers}
    lines = [f"HTTP/1.1 {status} So", *(f"{name.replace('_', '-')}: {value}" for name, value in said.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def to(location: str, status: int = 302) -> bytes:
    return answer(status, location=location)


@dataclass(slots=True)
class Web:
    """Two servers of the same names: what happens at the second one must not concern the first one's credentials."""

    fetcher: Fetcher
    one: Server
    two: Server
    names: dict[str, list[str]]

    def url(self, path: str = "/", *, host: str = HOST, server: Server | None = None) -> str:
        return f"https://{host}:{(server or self.one).port}{path}"

    async def read(self, path: str, **fields: Any) -> bytes:
        async with self.fetcher.fetch(self.url(path), **fields) as fetched:
            return await fetched.body.all(1 << 20)

    async def error(self, path: str, **fields: Any) -> SourceError:
        with pytest.raises(SourceError) as caught:
            await self.read(path, **fields)
        assert TOKEN not in repr(caught.value)
        assert caught.value.message.endswith(".")
        return caught.value


@asynccontextmanager
async def web(tmp_path: Path, one: Answers, two: Answers | None = None, **limits: Any) -> AsyncGenerator[Web]:
    serving, trust = self_signed(tmp_path, HOST, "other.example.com", "127.0.0.1")
    names: dict[str, list[str]] = {}
    servers: list[Server] = []

    async def look_up(host: str, port: int) -> list[Where]:
        return [Where(socket.AF_INET, ip, port) for ip in names.get(host, ["127.0.0.1"])]

    def script(answers: Answers) -> Callable[[Talk], Any]:
        async def serve(talk: Talk) -> None:
            while True:
                first, *rest = (await talk.request()).decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in rest if line)
                method, target, _ = first.split(" ")
                said = answers(target, {":method": method, **headers})
                if not said:
                    await talk.gone()
                    return
                await talk.say(said.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == "HEAD" else said)

        return serve

    async with AsyncExitStack() as stack:
        for answers in (one, two or one):
            servers.append(await stack.enter_async_context(scripted(script(answers), tls=serving)))
        bound = Limits(**limits)
        networks = Networks.parse(["127.0.0.1"])
        http = await stack.enter_async_context(
            open_http(bound, chosen.kind, permit=guarding(networks), look_up=look_up, trust=trust)
        )
        allowed = Origins.parse([f"https://*:{server.port}" for server in servers])
        yield Web(Fetcher(http, bound, allowed=allowed, networks=networks), servers[0], servers[1], names)
