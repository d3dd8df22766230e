"""What tests of every kind may ask for."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from typing import Final

import pytest
import structlog

from config.logging import configure_logging
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


_IN_ORDER: Final = ("test_catalog_database", "test_catalog_plans", "test_catalog_runs", "test_known", "test_pipeline")
"""Modules whose tests are about the order of keys, which a database with another order of texts must not change."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Other modules need no database with another order: what they test is the same there."""
    items[:] = [item for item in items if _kind_of(item) != "linguistic" or item.path.stem in _IN_ORDER]


def _kind_of(item: pytest.Item) -> object:
    return item.callspec.params.get("kind") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that is logged, by the libraries too, down to DEBUG."""
    root, factory, hook = logging.getLogger(), logging.getLogRecordFactory(), sys.excepthook
    level, handlers = root.level, list(root.handlers)
    stream = io.StringIO()
    configure_logging(level="DEBUG", format="json", stream=stream)
    yield stream
    root.setLevel(level)
    root.handlers[:] = handlers
    logging.setLogRecordFactory(factory)
    sys.excepthook = hook
    structlog.reset_defaults()
