"""The server of metrics and health."""

from __future__ import annotations

import aiohttp
import pytest

from config.errors import SettingsError
from worker.health import Health, serve


async def get(port: int, path: str) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def test_metrics_come_as_prometheus_reads_them_and_health_as_json() -> None:
    health = Health(problem=None, details={"slots_busy": 2, "redis": True})
    async with serve(host="127.0.0.1", port=0, render=lambda: b"longshore_x 1\n", health=lambda: health) as port:
        status, kind, text = await get(port, "/metrics")
        assert (status, kind, text) == (200, "text/plain; version=0.0.4; charset=utf-8", "longshore_x 1\n")
        status, kind, text = await get(port, "/healthz")
        assert (status, kind) == (200, "application/json; charset=utf-8")
        assert '"status": "ok"' in text
        assert '"slots_busy": 2' in text
        assert (await get(port, "/else"))[0] == 404


async def test_an_unwell_process_says_why() -> None:
    health = Health(problem="the catalog has not answered for 60 s", details={})
    async with serve(host="127.0.0.1", port=0, render=bytes, health=lambda: health) as port:
        status, _, text = await get(port, "/healthz")
    assert status == 503
    assert "has not answered for 60 s" in text


async def test_a_port_that_is_taken_is_named_with_what_to_do() -> None:
    async with serve(host="127.0.0.1", port=0, render=bytes, health=lambda: Health(problem=None, details={})) as port:
        with pytest.raises(SettingsError, match=rf"127\.0\.0\.1:{port}.*LONGSHORE_METRICS_PORT"):
            async with serve(
                host="127.0.0.1", port=port, render=bytes, health=lambda: Health(problem=None, details={})
            ):
                pass


async def test_a_host_that_is_not_ours_is_refused_alike() -> None:
    with pytest.raises(SettingsError, match="LONGSHORE_METRICS_HOST"):
        async with serve(host="192.0.2.1", port=0, render=bytes, health=lambda: Health(problem=None, details={})):
            pass
