"""Sidecars as programs see them: JSON as what it says, and anything else, broken JSON too, as text."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from console.show import key_text

if TYPE_CHECKING:
    from ingest.catalog.sidecars import Sidecar

_DEEPEST: Final = 200
"""Levels of lists and objects in each other."""
_TOO_DEEP: Final = "it is nested too deeply"


def sidecar_records(sidecars: Sequence[Sidecar]) -> list[dict[str, Any]]:
    """Each with its key, and `json`, or `text`, and then, if it should have been JSON, a `note` on what is wrong with it."""
    return [key_text(one.key) | _said(one) for one in sidecars]


def _said(sidecar: Sidecar) -> dict[str, Any]:
    if not sidecar.key.endswith(b".json"):
        return {"text": sidecar.text}
    try:
        said = json.loads(sidecar.text, parse_constant=_no_number, parse_float=_finite)
        _check(said)
    except json.JSONDecodeError as error:
        why = f"{error.msg} at line {error.lineno}, column {error.colno}"
    except RecursionError:
        why = _TOO_DEEP
    except ValueError as error:  # Infinity, or a number of thousands of digits
        why = str(error).partition(";")[0]
    else:
        return {"json": said}
    return {"text": sidecar.text, "note": f"no valid JSON: {why}"}


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON number")


def _finite(word: str) -> float:
    if not math.isfinite(number := float(word)):
        raise ValueError(f"{word[:40]} is larger than any number")
    return number


def _check(said: Any) -> None:
    """Level by level. Raises ValueError if what was read can't be written again: surrogates are no characters, and what writes JSON
    gets less deep than what reads it.
    """
    level = [said]
    for _ in range(_DEEPEST):
        inside: list[Any] = []
        for one in level:
            if isinstance(one, str):
                _check_text(one)
            elif isinstance(one, list):
                inside += one
            elif isinstance(one, dict):
                inside += (*one, *one.values())
        if not inside:
            return
        level = inside
    raise ValueError(_TOO_DEEP)


def _check_text(said: str) -> None:
    try:
        said.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half a character, \\u{ord(said[error.start]):04x}, is in it") from None
