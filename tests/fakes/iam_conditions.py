"""What stands in the strings of IAM documents: wildcards, variables, and the operators of conditions, after AWS's reference."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from operator import eq, ge, gt, le, lt
from typing import Any

Context = Mapping[str, str | Sequence[str]]
"""Condition keys in lower case, with one value or several."""


class UnknownElementError(Exception):
    """The document says something that this evaluator does not know, or that IAM would not take."""


_PIECE = re.compile(r"(\$\{[^}]*\}|\*|\?)")


def compiled(text: str, context: Context, *, wild: bool = True, arn: bool = False) -> re.Pattern[str] | None:
    """None: it names a variable that the request does not carry, so it matches nothing.

    `*` and `?` are wild; `${*}`, `${?}` and `${$}` are the characters themselves, and so is what a variable holds. In an ARN
    nothing wild crosses a colon, except in its last part.
    """
    regex, colons = "", 0
    for piece in _PIECE.split(text):
        any_one = "[^:]" if arn and colons < 5 else "."
        if piece in {"*", "?"} and wild:
            regex += f"{any_one}*" if piece == "*" else any_one
        elif piece.startswith("${") and piece.endswith("}"):
            value = _variable(piece[2:-1], context)
            if value is None:
                return None
            regex += re.escape(value)
        else:
            regex += re.escape(piece)
            colons += piece.count(":")
    return re.compile(regex, re.DOTALL)


def like(pattern: str, text: str, context: Context, *, wild: bool = True, arn: bool = False) -> bool:
    found = compiled(pattern, context, wild=wild, arn=arn)
    return found is not None and found.fullmatch(text) is not None


def _variable(name: str, context: Context) -> str | None:
    if name in {"*", "?", "$"}:
        return name
    name, _, otherwise = (part.strip() for part in name.partition(","))
    value = context.get(name.lower())
    if isinstance(value, str):
        return value
    return otherwise.strip("'") if otherwise else None  # a key of many values can't be a variable


def _moment(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


_Test = Callable[[str, str, Context], bool]
"""The value that the request carries, the one in the document, the request's context."""

_ORDERS = {"Equals": eq, "LessThan": lt, "LessThanEquals": le, "GreaterThan": gt, "GreaterThanEquals": ge}


def _ordered(read: Callable[[str], float], compare: Callable[[float, float], bool]) -> _Test:
    return lambda actual, wanted, _context: compare(read(actual), read(wanted))


_POSITIVE: dict[str, _Test] = {
    "StringEquals": lambda actual, wanted, context: like(wanted, actual, context, wild=False),
    "StringEqualsIgnoreCase": lambda actual, wanted, context: like(
        wanted.casefold(), actual.casefold(), context, wild=False
    ),
    "StringLike": lambda actual, wanted, context: like(wanted, actual, context),
    "ArnEquals": lambda actual, wanted, context: like(wanted, actual, context, arn=True),
    "ArnLike": lambda actual, wanted, context: like(wanted, actual, context, arn=True),
    "Bool": lambda actual, wanted, _context: actual.lower() == wanted.lower(),
    "IpAddress": lambda actual, wanted, _context: ip_address(actual) in ip_network(wanted),
    **{f"Numeric{name}": _ordered(float, compare) for name, compare in _ORDERS.items()},
    **{f"Date{name}": _ordered(_moment, compare) for name, compare in _ORDERS.items()},
}
_NEGATIVE = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}
_SETS = ("ForAllValues", "ForAnyValue")


def _apart(operator: str) -> tuple[str, str, bool]:
    """The set that it looks at, the operator itself, and whether a missing key is as good as a match."""
    scope, colon, base = operator.rpartition(":")
    if_exists = base.endswith("IfExists")
    base = base.removesuffix("IfExists")
    known = base in _POSITIVE or base in _NEGATIVE or (base == "Null" and not if_exists and not colon)
    if not known or (colon and scope not in _SETS):
        raise UnknownElementError(f"the operator {operator!r} is not known")
    return scope, base, if_exists


def check_operator(operator: str) -> None:
    """Raises UnknownElementError."""
    _apart(operator)


def holds(operator: str, key: str, wanted: Sequence[Any], context: Context) -> bool:
    """Whether one line of a condition holds: `wanted` are the document's values, any of which will do."""
    scope, base, if_exists = _apart(operator)
    texts = [str(one).lower() if isinstance(one, bool) else str(one) for one in wanted]
    found = context.get(key.lower())
    actual = [found] if isinstance(found, str) else list(found or ())
    if base == "Null":
        return str(not actual).lower() in [text.lower() for text in texts]
    negative = base in _NEGATIVE
    if not actual:
        return if_exists or (scope == "ForAllValues") or (negative and not scope)
    test = _POSITIVE[_NEGATIVE.get(base, base)]
    matched = [any(test(value, text, context) for text in texts) for value in actual]
    if scope == "ForAllValues":
        return not any(matched) if negative else all(matched)
    if scope == "ForAnyValue":
        return not all(matched) if negative else any(matched)
    return any(matched) is not negative
