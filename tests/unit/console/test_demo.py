"""What the demo tells of itself, so that others work with it while it is kept."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from console.demo import _EXPORTED
from console.stage import _environment

_OF_ITS_OWN = {
    *("LONGSHORE_METRICS_PORT", "LONGSHORE_LIMITS__DRAIN_S"),  # of its worker
    *(
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_EC2_METADATA_DISABLED",
    ),  # what is exported goes before these
}


def test_all_that_the_demo_sets_for_itself_is_told_to_whoever_works_beside_it() -> None:
    names = set(_environment(defaultdict(str), Path(), metrics_port=0))
    set_by_us = {name for name in names if name.startswith(("AWS_", "LONGSHORE_"))}
    assert set_by_us - _OF_ITS_OWN == set(_EXPORTED)
