"""Hides nothing: one place that a connection permits, the word that all of this room shares."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One place that a connection permits."""

    bucket: str
    """`*` stands for every bucket that the role can read."""
    prefix: str = ""
    """Empty: the whole bucket. Else it ends with "/"."""
