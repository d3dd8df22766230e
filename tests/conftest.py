"""What tests of every kind may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import fake_s3_server


@pytest.fixture
def cloud() -> Iterator[str]:
    """The URL of an S3 and STS in a process of their own; `tests.servers.tell` takes it."""
    with fake_s3_server() as url:
        yield url
