"""What a workspace may see of the test of another's connection: hides who its owner is to the storage, and whom the owner trusts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from credentials.connection import Connection
from credentials.kinds import RoleSpec
from ingest.check.report import Reason, Report

_HIDDEN: Final = ("role_arn", "external_id", "access_key_id", "username", "secret_from", "expected_owner")
_IDENTITIES: Final = re.compile(
    r"arn:aws[a-z-]*:(?:(?:iam|sts|kms|organizations|secretsmanager|ssm)\b|[a-z0-9-]*:[a-z0-9-]*:\d{12}\b)[^\s\"'<>]*"
)
"""Of whatever belongs to an account, cut short or not; a bucket's ARN names none."""
_ACCOUNTS: Final = re.compile(r"(?<!\d)\d{12}(?!\d)")
_KEYS: Final = re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)…?[A-Z0-9]{4,}\b")  # redacted or whole
_GONE: Final = "***"


def for_others(report: Report, connection: Connection) -> Report:
    """Neither role nor user, key, account or external ID is shown, nor any policy to paste, which holds them."""
    words = _words(connection)
    whose = connection.owner if connection.role_owner is None else connection.role_owner
    owner = f"workspace {whose!r}, whose it is, sees what to mend"

    def clean(text: str) -> str:
        for word in words:
            text = text.replace(word, _GONE)
        for pattern in (_IDENTITIES, _KEYS, _ACCOUNTS):
            text = pattern.sub(_GONE, text)
        return text

    def reasons(found: Sequence[Reason]) -> tuple[Reason, ...]:
        return tuple(
            replace(one, why=clean(one.why), where=owner if one.repair else clean(one.where), repair=None)
            for one in found
        )

    steps = (replace(step, seen=clean(step.seen), reasons=reasons(step.reasons)) for step in report.steps)
    return replace(report, steps=tuple(steps))


def _words(connection: Connection) -> list[str]:
    """Values of the connection that may not be shown, the longest first."""
    spec = connection.spec
    hidden = [getattr(spec, name, None) for name in _HIDDEN]
    words = [word for word in hidden if isinstance(word, str) and word]
    if isinstance(spec, RoleSpec):
        words += [spec.role_arn.split(":")[4], spec.role_arn.rpartition("/")[2]]
    return sorted(words, key=len, reverse=True)
