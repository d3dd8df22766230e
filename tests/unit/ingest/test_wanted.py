"""What a run settled for another one: never less than is wanted."""

from __future__ import annotations

import pytest

from ingest.wanted import Wanted


@pytest.mark.parametrize(
    ("wanted", "settled", "covered"),
    [
        (Wanted("head"), Wanted("head"), True),
        (Wanted("head"), Wanted("content"), True),
        (Wanted("media"), Wanted("head"), False),
        (Wanted("head"), Wanted("head", tags=True), True),
        (Wanted("head", tags=True), Wanted("head"), False),
        (Wanted("content", perceptual_hash=True), Wanted("content"), False),
        (Wanted("head"), Wanted("head", versions=True), False),
        (Wanted("head", recheck_archived=True), Wanted("head", recheck_archived=True), False),
        (Wanted("head"), Wanted("head", copy_to="s3://ours/c/"), True),
        (Wanted("head", copy_to="s3://ours/c/"), Wanted("head", copy_to="s3://ours/c/"), False),
    ],
)
def test_what_a_run_settled_covers_only_what_it_looked_for(wanted: Wanted, settled: Wanted, covered: bool) -> None:
    """Where copies land is the operator's to decide, so an earlier run for the same words may have put them elsewhere."""
    assert wanted.covered_by(settled) == covered
