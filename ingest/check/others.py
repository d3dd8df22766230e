"""The report of a test of another workspace's connection: without what only its owner may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from credentials.connection import Connection
from credentials.veil import veil, whose
from ingest.check.report import Reason, Report


def for_others(report: Report, connection: Connection) -> Report:
    """Neither role nor user, key, account or external ID is shown, nor any policy to paste, which holds them."""
    clean = veil(connection)
    owner = f"workspace {whose(connection)!r}, whose it is, sees what to mend"

    def reasons(found: Sequence[Reason]) -> tuple[Reason, ...]:
        return tuple(
            replace(one, why=clean(one.why), where=owner if one.repair else clean(one.where), repair=None)
            for one in found
        )

    steps = (replace(step, seen=clean(step.seen), reasons=reasons(step.reasons)) for step in report.steps)
    return replace(report, steps=tuple(steps))
