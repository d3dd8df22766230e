"""A connection names only servers that the operator permits, in words that every reader takes for the same one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from config.database import Database
from config.errors import ConnectionSetupError
from credentials.kinds import BasicSpec, KeysSpec
from tests.unit.credentials.connections import A_KEY, BY_ALICE, a_catalog, a_registry, settings_of

BASIC = {"kind": "https_basic", "name": "web", "username": "me", "password": "hunter2-hunter2"}


@pytest.fixture
async def database(tmp_path: Path) -> AsyncGenerator[Database]:
    async with a_catalog(tmp_path) as opened:
        yield opened


async def kept(database: Database, fields: dict[str, Any], **settings: Any) -> Any:
    registry = a_registry(database, settings_of(**settings))
    return (await registry.create(fields, **BY_ALICE)).spec


@pytest.mark.parametrize(
    ("endpoint", "settings", "kept_as"),
    [
        ("https://S3.Example.com:443/", {"endpoints": ("https://s3.example.com",)}, "https://s3.example.com"),
        ("https://fra1.spaces.example", {"endpoints": ("https://*.spaces.example",)}, "https://fra1.spaces.example"),
        ("http://minio:9000", {"endpoints": ("http://minio:9000",)}, "http://minio:9000"),
        (
            "https://x.supabase.example/storage/v1/s3",
            {"endpoints": ("any",)},
            "https://x.supabase.example/storage/v1/s3",
        ),
        (
            "http://10.1.2.3:9000",
            {"endpoints": ("http://10.1.2.3:9000",), "networks": ("10.1.2.3",)},
            "http://10.1.2.3:9000",
        ),
    ],
)
async def test_an_endpoint_that_the_operator_lists_is_kept_in_one_spelling(
    database: Database, endpoint: str, settings: dict[str, Any], kept_as: str
) -> None:
    spec = await kept(database, A_KEY | {"endpoint": endpoint}, **settings)
    assert isinstance(spec, KeysSpec)
    assert spec.endpoint == kept_as


@pytest.mark.parametrize(
    ("endpoint", "settings", "said"),
    [
        ("https://s3.example.com", {}, "LONGSHORE_ENDPOINTS"),
        ("http://s3.example.com", {"endpoints": ("any",)}, "LONGSHORE_ENDPOINTS"),
        ("https://169.254.169.254", {"endpoints": ("any",)}, "LONGSHORE_NETWORKS"),
        ("https://localhost", {"endpoints": ("any",)}, "own machine"),
        ("https://2130706433", {"endpoints": ("any",)}, "number"),
        ("https://good.example@127.0.0.1", {"endpoints": ("any",)}, "before the @"),
    ],
)
async def test_any_other_endpoint_is_refused_with_what_to_do(
    database: Database, endpoint: str, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConnectionSetupError, match=f"endpoint: .*{said}"):
        await kept(database, A_KEY | {"endpoint": endpoint}, **settings)


async def test_https_places_are_kept_in_one_spelling_and_hold_the_test_location(database: Database) -> None:
    fields = {"allow": "https://Files.Example.com:443/in/", "test_location": "https://FILES.example.com/in/a%20b"}
    spec = await kept(database, BASIC | fields)
    assert isinstance(spec, BasicSpec)
    assert (spec.allow, spec.test_location) == (
        ("https://files.example.com/in/",),
        "https://files.example.com/in/a%20b",
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"allow": "http://files.example.com/"}, "allow.*https://host/path/"),
        ({"allow": "https://127.0.0.1/"}, "allow: its host is an IP address"),
        ({"allow": "https://files.example.com:8443/"}, "allow: port 8443 may not be used"),
        ({"allow": "https://files.example.com/a/../"}, "allow.*as a part"),
        ({"allow": "https://files.example.com/%2e%2e/"}, "allow.*as a part"),
        ({"allow": "https://me@files.example.com/"}, "allow.*before the @"),
        ({"allow": "https://files.example.com/?a/"}, "allow.*without a query"),
        ({"allow": "https://files.example.com/", "test_location": "https://files.example.com@evil/"}, "test_location"),
        ({"allow": "https://files.example.com/a/", "test_location": "https://files.example.com/b"}, "lies outside"),
    ],
)
async def test_https_places_that_may_not_be_are_refused_with_what_to_do(
    database: Database, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConnectionSetupError, match=said) as caught:
        await kept(database, BASIC | fields)
    assert "hunter2" not in str(caught.value)


async def test_a_port_that_the_operator_lists_may_be_named(database: Database) -> None:
    fields = {"allow": "https://files.example.com:8443/"}
    assert (await kept(database, BASIC | fields, endpoints=("https://*.example.com:8443",))).allow
