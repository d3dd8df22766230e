"""Joins what a connection test needs: the service's own parts, and sockets that go only where a tenant may send them."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from credentials.clock import Clock, SystemClock
from credentials.connection import Connection
from ingest.check.checker import ConnectionTest, summary
from ingest.check.report import Report
from ingest.check.tools import Tools
from ingest.gate import Gates
from ingest.https import Fetcher
from ingest.s3.address import Location
from ingest.s3.dial import LookUp, ask_system, guarding
from ingest.s3.http import open_http
from worker.service import Service

_CLOCK: Final = SystemClock()


@asynccontextmanager
async def open_tools(
    service: Service,
    *,
    actor: str,
    clock: Clock = _CLOCK,
    look_up: LookUp = ask_system,
    trust: ssl.SSLContext | None = None,
) -> AsyncGenerator[Tools]:
    """Sockets of their own, closed at the end of the block."""
    settings = service.settings

    def located(connection: Connection, bucket: str) -> Location:
        return service.storage.location(connection, bucket)[0]

    async with (
        open_http(settings.limits, settings.transport, look_up=look_up, trust=trust) as http,
        open_http(
            settings.limits, settings.transport, permit=guarding(settings.opened), look_up=look_up, trust=trust
        ) as guarded,
    ):
        yield Tools(
            settings=settings,
            sts=service.sts,
            kept=service.registry,
            external_id=partial(service.external_ids.issue, actor=actor),
            located=located,
            http=http,
            guarded=guarded,
            fetcher=Fetcher(guarded, settings.limits, allowed=settings.origins, networks=settings.opened),
            gates=Gates(settings.limits),
            clock=clock,
        )


async def check_connection(
    service: Service,
    tools: Tools,
    name: str,
    *,
    actor: str,
    uri: str | None = None,
    wait_s: float | None = None,
    say: Callable[[str], None],
) -> Report:
    """Test a connection, write that into the audit, and keep the result with it, if all of it was tried. Raises ConnectionSetupError."""
    connection = await service.registry.get(name, workspace=service.settings.workspace)
    if wait_s is None:
        wait_s = _wait_s(connection, tools)
    report = await ConnectionTest(tools=tools, connection=connection, uri=uri, wait_s=wait_s, say=say).run()
    detail = {"verdict": report.verdict} | ({"uri": uri} if uri else {})
    await service.audit.note("tested", on=f"connection:{name}", actor=actor, detail=detail)
    if connection.own and uri is None:
        await service.registry.was_tested(connection, summary(report))
    return report


def _wait_s(connection: Connection, tools: Tools) -> float:
    """Whoever has just made a connection has just written its policies, too."""
    limits = tools.settings.limits
    age = tools.clock.now() - connection.updated_at / 1000
    return limits.check_wait_s if age < limits.check_fresh_s else 0.0
