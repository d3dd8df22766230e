"""Connections are found by name, and listed in its order; all else is the same whatever language a PostgreSQL was made for."""

from __future__ import annotations

import pytest

from tests.postgres import Kind


@pytest.fixture(params=("sqlite", "postgres"))
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of catalog; `test_registry_order.py` has the one whose language sorts otherwise."""
    found: Kind = request.param
    return found
