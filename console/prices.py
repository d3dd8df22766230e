"""What S3 charges for requests: S3 Standard in us-east-1, as listed on https://aws.amazon.com/s3/pricing/ in 2026."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

USD_PER_1000: Final = {"list": 0.005, "head": 0.0004, "get": 0.0004, "tags": 0.0004, "copy": 0.005, "sts": 0.0}
"""LIST and copies are billed like PUT, HEAD and tags like GET; STS is free. Other regions and storage classes differ; transfer is not counted."""


def cost_usd(requests: Mapping[str, int]) -> float:
    """Dollars for these requests by class."""
    return round(sum(USD_PER_1000[name] * count for name, count in requests.items()) / 1000, 6)
