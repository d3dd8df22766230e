"""Writes plain data as YAML: the little of it that a template needs, so that no library has to be there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from credentials.policies.parameters import quoted

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:(?:::?|-)[A-Za-z0-9]+)*", re.ASCII)
_WORDS_OF_YAML: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def as_yaml(value: dict[str, Any]) -> str:
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> Iterator[str]:
    """Block style, two spaces deeper for each level; what is empty or no container stands on one line."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _below(f"{_scalar(key)}:", inner)
    elif isinstance(value, list) and value:
        for inner in value:
            first, *rest = _lines(inner)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _scalar(value)


def _below(head: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield head
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{head} {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict | list):
        return "{}" if isinstance(value, dict) else "[]"
    return value if _PLAIN.fullmatch(value) and value.lower() not in _WORDS_OF_YAML else quoted(value)
