"""A shell in a workspace of its own, whose service knows who it is and reaches nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.shell import Shell
from tests.unit.credentials.policies.setups import US


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    environment = {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "LONGSHORE_CATALOG_URL": f"sqlite:///{tmp_path / 'longshore.db'}",
        "LONGSHORE_PRINCIPAL_ARN": US,
    }
    return Shell(tmp_path, environment)
