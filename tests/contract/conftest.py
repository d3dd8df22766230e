"""What the contract tests share: they hold for whatever stands behind a protocol, so they run on all of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.s3_access import chosen


@pytest.fixture(scope="module", params=["lean", "aiohttp"])
def transport(request: pytest.FixtureRequest) -> Iterator[str]:
    """What speaks HTTP in the tests of a module. Asked for by `pytestmark`."""
    before, chosen.kind = chosen.kind, request.param
    yield request.param
    chosen.kind = before
