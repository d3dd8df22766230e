"""Operators of conditions and wildcards, one by one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.iam_conditions import holds, like

HELD: list[tuple[str, list[Any], str, bool]] = [
    ("StringEquals", ["a", "b"], "b", True),
    ("StringEquals", ["a*"], "ab", False),
    ("StringEquals", ["a"], "A", False),
    ("StringNotEquals", ["a", "b"], "b", False),
    ("StringNotEquals", ["a", "b"], "c", True),
    ("StringEqualsIgnoreCase", ["aB"], "Ab", True),
    ("StringNotEqualsIgnoreCase", ["aB"], "Ab", False),
    ("StringLike", ["a*c", "x?"], "abbc", True),
    ("StringLike", ["x?"], "x", False),
    ("StringNotLike", ["a*"], "ab", False),
    ("StringNotLike", ["a*"], "b", True),
    ("ArnEquals", ["arn:aws:iam::*:role/r*"], "arn:aws:iam::1:role/r/x", True),
    ("ArnLike", ["arn:aws:*:role/r"], "arn:aws:iam::1:role/r", False),
    ("ArnNotLike", ["arn:aws:iam::1:role/*"], "arn:aws:iam::2:role/r", True),
    ("ArnNotEquals", ["arn:aws:iam::1:role/*"], "arn:aws:iam::1:role/r", False),
    ("Bool", [True], "true", True),
    ("Bool", ["false"], "true", False),
    ("NumericEquals", ["10"], "10.0", True),
    ("NumericNotEquals", [10], "11", True),
    ("NumericLessThan", [10], "9", True),
    ("NumericLessThanEquals", ["10"], "10", True),
    ("NumericGreaterThan", ["10"], "10", False),
    ("NumericGreaterThanEquals", ["10"], "10", True),
    ("DateEquals", ["2026-06-01T12:00:00Z"], "2026-06-01T14:00:00+02:00", True),
    ("DateNotEquals", ["2026-06-01T12:00:00Z"], "2026-06-01T12:00:00Z", False),
    ("DateLessThan", ["2026-06-01T12:00:00Z"], "2026-06-01T11:59:59Z", True),
    ("DateLessThan", ["2026-06-01T12:00:00Z"], "2026-06-01T12:00:00Z", False),
    ("DateLessThanEquals", ["2026-06-01T12:00:00Z"], "2026-06-01T12:00:00Z", True),
    ("DateGreaterThan", ["0"], "2026-06-01T12:00:00Z", True),
    ("DateGreaterThanEquals", ["2026-06-01"], "2026-06-01T00:00:00Z", True),
    ("IpAddress", ["10.0.0.0/8"], "10.1.2.3", True),
    ("IpAddress", ["2001:db8::/32"], "10.1.2.3", False),
    ("NotIpAddress", ["10.0.0.0/8"], "10.1.2.3", False),
    ("Null", ["true"], "x", False),
    ("Null", [False], "x", True),
]


@pytest.mark.parametrize(("operator", "wanted", "actual", "expected"), HELD)
def test_an_operator_compares_as_aws_says(operator: str, wanted: list[Any], actual: str, expected: bool) -> None:
    assert holds(operator, "My:Key", wanted, {"my:key": actual}) is expected


@pytest.mark.parametrize("operator", sorted({row[0] for row in HELD} - {"Null"}))
def test_what_a_request_does_not_carry_matches_no_positive_operator_and_every_negative_one(operator: str) -> None:
    wanted = next(row[1] for row in HELD if row[0] == operator)
    assert holds(operator, "k", wanted, {}) is ("Not" in operator)
    assert holds(f"{operator}IfExists", "k", wanted, {}) is True
    assert holds(f"ForAllValues:{operator}", "k", wanted, {}) is True
    assert holds(f"ForAnyValue:{operator}", "k", wanted, {}) is False
    assert holds("Null", "k", ["true"], {}) is True


@pytest.mark.parametrize(
    ("operator", "actual", "expected"),
    [
        ("ForAllValues:StringEquals", ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a", "c"], False),
        ("ForAnyValue:StringEquals", ["c", "b"], True),
        ("ForAnyValue:StringEquals", ["c"], False),
        ("ForAllValues:StringLike", ["b1", "b2"], False),
        ("ForAllValues:StringNotEquals", ["c", "d"], True),
        ("ForAllValues:StringNotEquals", ["c", "a"], False),
        ("ForAnyValue:StringNotEquals", ["a", "c"], True),
        ("ForAnyValue:StringNotEquals", ["a", "b"], False),
        ("StringEquals", ["c", "b"], True),
    ],
)
def test_a_key_of_many_values_is_asked_for_any_or_for_all(operator: str, actual: list[str], expected: bool) -> None:
    assert holds(operator, "aws:TagKeys", ["a", "b"], {"aws:tagkeys": actual}) is expected


LETTERS = st.text(alphabet="ab*?:/$", max_size=6)


@given(LETTERS, st.text(alphabet="ab:/", max_size=6))
def test_wildcards_match_as_a_regular_expression_would(pattern: str, text: str) -> None:
    pattern = pattern.replace("$", "")
    regex = "".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern)
    assert like(pattern, text, {}) is (re.fullmatch(regex, text, re.DOTALL) is not None)
    if like(pattern, text, {}, arn=True):
        assert like(pattern, text, {})


@given(st.text(alphabet="ab*?${}:/", max_size=8))
def test_an_escaped_text_matches_itself_alone(text: str) -> None:
    escaped = "".join(f"${{{one}}}" if one in "*?$" else one for one in text)
    assert like(escaped, text, {})
    assert like(escaped, text, {}, wild=False)
    assert not like(escaped, text + "a", {})
