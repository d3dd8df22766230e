"""A cloud in another process, once for all acceptance tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.shell import Customer, Shell
from tests.fakes.sts import OPERATOR_KEY, OPERATOR_SECRET
from tests.servers import fake_s3_server, tell


@pytest.fixture(scope="session")
def _cloud() -> Iterator[str]:
    with fake_s3_server() as url:
        yield url


@pytest.fixture
def customer(_cloud: str) -> Customer:
    """Nothing of an earlier test is seen: faults and records are cleared, a bucket that is made again is empty."""
    tell(_cloud, "clear")
    tell(_cloud, "forget")
    return Customer(_cloud)


@pytest.fixture
def shell(customer: Customer, tmp_path: Path) -> Shell:
    environment = {
        "AWS_ACCESS_KEY_ID": OPERATOR_KEY,
        "AWS_SECRET_ACCESS_KEY": OPERATOR_SECRET,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": customer.url,
        "LONGSHORE_CATALOG_URL": f"sqlite:///{tmp_path / 'longshore.db'}",
        "LONGSHORE_EXTERNAL_IDS": "any",
        "LONGSHORE_LIMITS__BACKOFF_MOST_S": "0.1",
    }
    return Shell(tmp_path, environment)
