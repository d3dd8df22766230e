"""The acceptance table's IDs, so that a test can't name a row that is not there, and no promised row loses its test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


def _rows(families: Mapping[str, tuple[int, ...]]) -> frozenset[str]:
    return frozenset(f"{family}-{number:02d}" for family, numbers in families.items() for number in numbers)


ROWS: Final = _rows(
    {
        "CO": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 26),
        "KO": (1, 3, 4, 5, 6, 7, 9, 10, 11, 12),
        "CG": (1, 2, 4, 5, 6, 8, 9, 10, 11, 15, 17, 18, 19, 20),
        "CR": (1, 2, 3, 6, 7, 8, 10, 11),
        "IN": (1, 2, 3, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 18),
        "LS": tuple(range(1, 17)),
    }
)
"""What the service must offer its users: connections (CO, KO, CG, CR, IN) and what goes beyond them (LS)."""

PROVEN: Final = _rows(
    {
        "CO": (1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 26),
        "KO": (1, 3, 4, 5, 6, 7, 9, 10, 11, 12),
        "CG": (1, 2, 4, 5, 6, 8, 9, 10, 11, 15, 17, 18, 19),
        "CR": (1, 2, 3, 6, 7, 8, 10, 11),
        "IN": (2, 3, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 18),
        "LS": (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15),
    }
)
"""Rows that a test of this release proves; what a row says of the web page, the API or output comes with these."""
