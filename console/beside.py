"""Sidecars as programs see them: JSON as what it says, and anything else, broken JSON too, as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from console.show import key_text

if TYPE_CHECKING:
    from ingest.catalog.sidecars import Sidecar


def sidecar_records(sidecars: Sequence[Sidecar]) -> list[dict[str, Any]]:
    """Each with its key, and `json`, or `text`, and then, if it should have been JSON, a `note` on what is wrong with it."""
    return [key_text(one.key) | _said(one) for one in sidecars]


def _said(sidecar: Sidecar) -> dict[str, Any]:
    if not sidecar.key.endswith(b".json"):
        return {"text": sidecar.text}
    try:
        return {"json": json.loads(sidecar.text, parse_constant=_no_number)}
    except json.JSONDecodeError as error:
        why = f"{error.msg} at line {error.lineno}, column {error.colno}"
    except RecursionError:
        why = "it is nested too deeply"
    except ValueError as error:  # Infinity, or a number of thousands of digits
        why = str(error).partition(";")[0]
    return {"text": sidecar.text, "note": f"no valid JSON: {why}"}


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON number")
