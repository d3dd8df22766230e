"""The evaluator's former name: what it is stands in iam.py."""

from __future__ import annotations

from tests.fakes.iam import Ask, allows

__all__ = ["Ask", "allows"]
