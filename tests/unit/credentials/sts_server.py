"""A scripted STS over HTTP: it answers what the test says, and keeps what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from aiohttp import web

from config.limits import Limits
from credentials.sts import AssumeRole

FAST = Limits(sts_attempts=1, sts_connect_s=1, sts_read_s=0.5, backoff_most_s=1)
CANARY = "canary+session/token"
ROLE = "arn:aws:iam::111122223333:role/reader"
Handler = Callable[[dict[str, str]], Awaitable[web.StreamResponse] | web.StreamResponse]


def request(**changes: Any) -> AssumeRole:
    usual: dict[str, Any] = {
        "role_arn": ROLE,
        "session_name": "longshore-run-1",
        "duration_s": 900,
        "external_id": "ext-4711",
        "policy": '{"Version":"2012-10-17","Statement":[]}',
        "source_identity": "main",
        "region": "eu-central-1",
    }
    return AssumeRole(**(usual | changes))


def granted(expiration: str = "2026-06-01T12:15:00Z", *, leave_out: str = "") -> web.Response:
    parts = {
        "AccessKeyId": "ASIACANARY0000000001",
        "SecretAccessKey": "canary-secret",
        "SessionToken": CANARY,
        "Expiration": expiration,
    }
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in parts.items() if name != leave_out)
    return web.Response(
        text=f'<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>{inner}'
        "</Credentials></AssumeRoleResult></AssumeRoleResponse>",
        content_type="text/xml",
        headers={"Date": "Mon, 01 Jun 2026 12:00:00 GMT"},
    )


def refused(status: int, code: str, message: str = "no") -> web.Response:
    return web.Response(
        status=status,
        text=f'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>r</RequestId></ErrorResponse>",
        content_type="text/xml",
    )


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[tuple[str, list[dict[str, str]]]]:
    """A server that answers as `handler` says; yields its URL and what it was asked."""
    asked: list[dict[str, str]] = []

    async def answer(incoming: web.Request) -> web.StreamResponse:
        fields = dict(parse_qsl(await incoming.text()))
        asked.append(fields | {"authorization": incoming.headers.get("Authorization", "")})
        given = handler(fields)
        return given if isinstance(given, web.StreamResponse) else await given

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}", asked
    finally:
        await runner.cleanup()
