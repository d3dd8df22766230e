"""Metrics and health over HTTP: hides the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from config.errors import SettingsError
from worker.telemetry import CONTENT_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How this process is."""

    problem: str | None
    """Why it should be looked after; None if all is well."""
    details: dict[str, str | int | float | bool | None]


@asynccontextmanager
async def serve(
    *, host: str, port: int, render: Callable[[], bytes], health: Callable[[], Health]
) -> AsyncGenerator[int]:
    """Serve `/metrics` and `/healthz` (200, or 503 with the problem); yields the port, which matters when `port` is 0.

    Raises SettingsError if the port can't be had.
    """

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=await asyncio.to_thread(render), headers={"Content-Type": CONTENT_TYPE})

    async def healthz(_request: web.Request) -> web.Response:
        now = health()
        body = {"status": "ok" if now.problem is None else "unwell", "problem": now.problem, **now.details}
        return web.json_response(body, status=200 if now.problem is None else 503)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise SettingsError(
                f"metrics can't be served on {host}:{port}: {error.strerror}; set LONGSHORE_METRICS_PORT to a free port for "
                "each worker process on this machine (0 takes any), or mend LONGSHORE_METRICS_HOST"
            ) from error
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
