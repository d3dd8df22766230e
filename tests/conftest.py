"""What tests of every kind may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import KINDS, Kind
from tests.servers import fake_s3_server


@pytest.fixture
def cloud() -> Iterator[str]:
    """The URL of an S3 and STS in a process of their own; `tests.servers.tell` takes it."""
    with fake_s3_server() as url:
        yield url


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each database that may hold a catalog; `tests.fakes.running.a_catalog` and `tests.postgres.catalog_url` take it."""
    found: Kind = request.param
    return found
