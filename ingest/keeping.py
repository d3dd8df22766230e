"""What of a producer's values can be kept: hides what Python takes for JSON and others do not. No I/O."""

from __future__ import annotations

import math
import re
from typing import Any, Final

_UNPAIRED: Final = re.compile("[\ud800-\udfff]")
_MOST_DIGITS: Final = 1000
"""JSON knows no bound; what reads the record does."""


def no_json(value: Any, *, most_depth: int) -> str | None:
    """Why a value can't be kept as JSON and read back as the same; None if it can."""
    waiting = [(value, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict | list):
            if depth >= most_depth:
                return f"nested deeper than {most_depth}"
            waiting.extend((inner, depth + 1) for inner in value)
            if isinstance(value, dict):
                waiting.extend((inner, depth + 1) for inner in value.values())
        elif isinstance(value, str) and not value.isascii() and _UNPAIRED.search(value):
            return "it holds half of a surrogate pair, which is no valid Unicode"
        elif isinstance(value, float) and not math.isfinite(value):
            return f"{value} is no JSON number"
        elif isinstance(value, int) and abs(value) >= 10**_MOST_DIGITS:
            return f"it holds a number of more than {_MOST_DIGITS} digits"
    return None
