"""What may be wrong between a customer's cloud and ours, and what the connection test says to each: whatever it prints is pasted
where it says, and the next test passes.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingest.check.report import Report
from tests.acceptance.customers_cloud import Scene, a_scene, step
from tests.acceptance.wrong_setups import ROLES, TRUST, Wrong
from tests.acceptance.wrong_storage import BUCKETS, BUILT_IN, KEYS, OBJECTS, OURSELVES
from tests.fakes.iam import check
from tests.fakes.iam_documents import policy

VERDICTS = {"failed": "failed", "warning": "warning", "not tried": "warning"}
ROUNDS = 5
ALL = (*TRUST, *ROLES, *BUCKETS, *OBJECTS, *OURSELVES, *KEYS, *BUILT_IN)


def _check(report: Report, wrong: Wrong) -> None:
    shown = step(report, wrong.step)
    assert shown.outcome == wrong.outcome, report.plain()
    assert re.search(wrong.seen, shown.seen), shown
    told = " / ".join(reason.why for reason in shown.reasons)
    assert re.search(".*".join(wrong.says), told), told
    assert report.verdict == VERDICTS[wrong.outcome], report.plain()
    for reason in (reason for one in report.steps for reason in one.reasons):
        if reason.repair is None:
            continue
        assert reason.where
        document = reason.repair if reason.is_document else policy(reason.repair)
        check(document, principal=reason.target in ("trust", "bucket", "key"))
        assert "HeadObject" not in repr(document)
    for name in wrong.untried:
        assert step(report, name).outcome == "not tried", (name, report.plain())


async def _mend(scene: Scene, report: Report, wrong: Wrong) -> Report:
    """Paste what was printed for the true cause, and test again, until nothing is left to paste."""
    for _ in range(ROUNDS):
        bad = [one for one in report.steps if one.outcome in ("failed", "warning")]
        reasons = [
            reason
            for one in bad
            for reason in one.reasons
            if reason.repair is not None and reason.target == wrong.cause
        ]
        if not reasons:
            return report
        for reason in reasons[:1]:
            scene.paste(reason)
        report = await scene.test(uri=wrong.uri)
    return report


@pytest.mark.acceptance("LS-08", "LS-09", "CG-15", "CO-22", "KO-11", "CR-03")
@pytest.mark.parametrize("wrong", ALL, ids=lambda one: one.name)
async def test_what_is_wrong_is_told_with_its_reasons_and_what_is_printed_mends_it(
    wrong: Wrong, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch, wrong.environment) as scene:
        await scene.connect(**wrong.fields)
        wrong.spoil(scene)
        report = await scene.test(uri=wrong.uri)
        _check(report, wrong)
        if wrong.cause is None and wrong.mend is None:
            return
        if wrong.mend is not None:
            wrong.mend(scene)
            report = await scene.test(uri=wrong.uri)
        else:
            report = await _mend(scene, report, wrong)
        assert report.verdict == wrong.after, [one for one in report.steps if one.outcome != "passed"]


def test_the_table_is_as_long_as_it_was_promised() -> None:
    assert len(ALL) >= 30
    assert len({one.name for one in ALL}) == len(ALL)
