"""What the contract tests share: they hold for whatever stands behind a protocol, so they run on all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
import uvloop

from tests.fakes.s3_access import chosen


@pytest.fixture(scope="module", params=["lean", "aiohttp"])
def transport(request: pytest.FixtureRequest) -> Iterator[str]:
    """What speaks HTTP in the tests of a module. Asked for by `pytestmark`."""
    before, chosen.kind = chosen.kind, request.param
    yield request.param
    chosen.kind = before


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Sockets behave differently on uvloop, which production runs on: a module that says ON_BOTH_LOOPS is run on each."""
    del config
    plain = {"asyncio": asyncio.new_event_loop}
    both = isinstance(item, pytest.Function) and getattr(item.module, "ON_BOTH_LOOPS", False)
    return {**plain, "uvloop": uvloop.new_event_loop} if both else plain
