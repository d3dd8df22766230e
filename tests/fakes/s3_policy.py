"""Decides what an IAM policy allows, for the few actions, resources and conditions that a reader of S3 meets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One action on one resource, with the condition keys that the request carries."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def allows(policy: Mapping[str, Any] | None, ask: Ask) -> bool:
    """Whether this document alone allows it. None: no document, everything is allowed."""
    if policy is None:
        return True
    matching = [one for one in _as_list(policy.get("Statement", [])) if _matches(one, ask)]
    return any(one["Effect"] == "Allow" for one in matching) and not any(one["Effect"] == "Deny" for one in matching)


def _matches(statement: Mapping[str, Any], ask: Ask) -> bool:
    actions = _as_list(statement.get("Action", []))
    resources = _as_list(statement.get("Resource", "*"))
    return (
        any(_like(action.lower(), ask.action.lower()) for action in actions)
        and any(_like(resource, ask.resource) for resource in resources)
        and all(
            _holds(operator, name, _as_list(wanted), ask.context)
            for operator, block in statement.get("Condition", {}).items()
            for name, wanted in block.items()
        )
    )


def _holds(operator: str, name: str, wanted: list[str], context: Mapping[str, str]) -> bool:
    """An operator that is not known here never holds, so an unexpected policy denies instead of opening."""
    known = {key.lower(): value for key, value in context.items()}
    actual = known.get(name.lower())
    if operator.endswith("IfExists"):
        if actual is None:
            return True
        operator = operator.removesuffix("IfExists")
    if operator in {"StringNotEquals", "StringNotLike"}:
        return actual is None or not _holds(operator.replace("Not", ""), name, wanted, context)
    if actual is None:
        return False
    if operator == "StringEquals":
        return actual in wanted
    if operator == "StringLike":
        return any(_like(pattern, actual) for pattern in wanted)
    if operator == "DateLessThan":
        return all(_time(actual) < _time(limit) for limit in wanted)
    return False


def _like(pattern: str, text: str) -> bool:
    """`*` and `?` are wild; `${*}`, `${?}` and `${$}` are the characters themselves."""
    parts = re.split(r"(\$\{[*?$]\}|\*|\?)", pattern)
    wild = {"*": ".*", "?": "."}
    regex = "".join(
        wild.get(part) or re.escape(part[2] if part.startswith("${") and part.endswith("}") else part) for part in parts
    )
    return re.fullmatch(regex, text, re.DOTALL) is not None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
