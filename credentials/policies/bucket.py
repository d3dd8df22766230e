"""The bucket policy: lets whoever reads into one bucket, and our own role for one workspace only where its sessions carry a tag."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from config.errors import ConnectionSetupError
from credentials.places import place_text
from credentials.policies.access import read_statements
from credentials.policies.document import Condition, Document, document, fitting
from credentials.policies.names import reader
from credentials.policies.setup import WORKSPACE_TAG, Setup

BUCKET_CHARACTERS: Final = 20_480
"""The policy of a bucket, 20 KB (S3 User Guide, "Bucket policies")."""


def bucket_policies(setup: Setup) -> dict[str, Document]:
    """One policy for each bucket, by its name."""
    return {bucket: _of_one(setup, bucket) for bucket in setup.reads()}


def bucket_policy(setup: Setup) -> Document:
    """The policy of the one bucket. Raises ConnectionSetupError if there are several."""
    found = bucket_policies(setup)
    if len(found) > 1:
        places = " or ".join(f"--allow {place_text(grant)}" for grant in setup.grants[:3])
        raise ConnectionSetupError(
            f"each bucket has a policy of its own, and {len(found)} buckets are permitted: ask for one at a time, with {places}"
        )
    return next(iter(found.values()))


def _of_one(setup: Setup, bucket: str) -> Document:
    own = replace(setup, grants=tuple(grant for grant in setup.grants if grant.bucket == bucket))
    return fitting(
        document(read_statements(own, principal=reader(setup), condition=tag_condition(setup))),
        most=BUCKET_CHARACTERS,
        what=f"policy of bucket {bucket}",
        remedy="permit the whole bucket, or shared prefixes, instead of many places",
        spaces_count=True,
    )


def tag_condition(setup: Setup) -> Condition:
    """Our own sessions carry their workspace, so that AWS itself refuses one workspace the bucket of another."""
    if setup.method == "role" or setup.workspace_tag is None:
        return {}
    return {"StringEquals": {f"aws:PrincipalTag/{WORKSPACE_TAG}": setup.workspace_tag}}
