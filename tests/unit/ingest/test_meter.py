"""What a slice spends."""

from __future__ import annotations

import pytest

from ingest.events import RequestMade, ignore
from ingest.meter import Meter


@pytest.mark.parametrize(
    ("outcome", "spent"), [("ok", 1), ("ConnectionLost", 1), ("ServiceUnavailable", 1), ("Unreachable", 0)]
)
def test_a_request_is_paid_for_if_it_was_sent(outcome: str, spent: int) -> None:
    meter = Meter(ignore)
    meter(RequestMade(bucket="b", request="head", outcome=outcome, seconds=0.1, bytes_read=3))
    assert meter.take().head == spent
    assert meter.take().head == 0
