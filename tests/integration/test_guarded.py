"""The service as it is built: where tenants point it, only public addresses are connected to; where the operator does, any is."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from config.errors import LongshoreError
from config.settings import Settings
from ingest.events import ignore
from tests.fakes.s3_access import FakeAccess
from tests.fakes.script import always, scripted
from tests.unit.credentials.connections import A_KEY, BY_ALICE, KEYS
from worker.service import open_service

HEADED = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "x"\r\nLast-Modified: Thu, 26 Nov 2026 00:00:00 GMT\r\n\r\n'
NAME = "minio.example.com"


@pytest.fixture
def _inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name resolves to this machine."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **fields: Any) -> Any:
        return real("127.0.0.1" if host in {NAME, NAME.encode()} else host, *args, **fields)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.usefixtures("_inside")
@pytest.mark.parametrize("transport", ["lean", "aiohttp"])
@pytest.mark.parametrize(
    ("networks", "named_by", "outcome"),
    [
        ((), "tenant", "AddressDenied"),
        (("10.0.0.0/8",), "tenant", "AddressDenied"),
        (("127.0.0.1",), "tenant", "read"),
        ((), "operator", "read"),
    ],
)
async def test_who_names_an_endpoint_decides_whether_it_is_guarded(
    tmp_path: Path, transport: str, networks: tuple[str, ...], named_by: str, outcome: str
) -> None:
    async with scripted(always(HEADED)) as server:
        endpoint = f"http://{NAME}:{server.port}"
        settings = Settings.model_validate(
            {
                "catalog_url": f"sqlite:///{tmp_path}/c.db",
                "secret_keys": KEYS,
                "transport": transport,
                "endpoints": (endpoint,),
                "networks": networks,
                "s3_endpoint": endpoint,
                "sts_endpoint": "http://127.0.0.1:1",
            }
        )
        async with open_service(settings, observe=lambda _event: None) as service:
            fields = {"endpoint": endpoint} if named_by == "tenant" else {}
            connection = await service.registry.create(A_KEY | fields, **BY_ALICE)
            client = service.storage.bucket(connection, FakeAccess(), "acme", observe=ignore)
            try:
                await client.head(b"k")
                said = "read"
            except LongshoreError as error:
                said = error.code
        assert (said, server.connections) == (outcome, 1 if outcome == "read" else 0)
