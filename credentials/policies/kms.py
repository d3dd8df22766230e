"""The key statement: lets whoever reads the bucket decrypt with its KMS key, through S3 alone."""

from __future__ import annotations

from typing import Final

from config.errors import ConnectionSetupError
from credentials.policies.access import ACTIONS, via_s3
from credentials.policies.bucket import tag_condition
from credentials.policies.document import Statement, allow
from credentials.policies.names import role_name
from credentials.policies.setup import Setup, key_region

UNKNOWN_ACCOUNT: Final = "111122223333"
"""AWS's own example account: stands for the customer's where the role does not exist yet."""


def key_statement(setup: Setup) -> Statement:
    """A statement to add to those of the key's policy; "*" there means this key. Raises ConnectionSetupError: no key, or several."""
    keys = sorted({*setup.kms_keys, *((setup.output_kms_key,) if setup.output_kms_key else ())})
    if not keys:
        raise ConnectionSetupError("name the key with --kms-key arn:aws:kms:REGION:ACCOUNT:key/ID")
    if len(keys) > 1:
        options = " or ".join(f"--kms-key {key}" for key in keys[:3])
        raise ConnectionSetupError(
            f"each key has a policy of its own, and there are {len(keys)} keys: ask for one at a time, with {options}"
        )
    actions = [*ACTIONS["decrypt"], *(ACTIONS["generate_data_key"] if setup.output_kms_key else ())]
    condition = via_s3(setup.partition, [key_region(keys[0])])
    if setup.method == "bucket":
        condition["StringEquals"] |= tag_condition(setup).get("StringEquals", {})
    return allow("LongshoreReads", actions, ["*"], principal=reader(setup), condition=condition)


def reader(setup: Setup) -> str:
    """Who reads: the customer's role, or our own where the bucket's policy lets it in."""
    if setup.method == "bucket":
        return setup.principal_arn
    return setup.role_arn or f"arn:{setup.partition}:iam::{UNKNOWN_ACCOUNT}:role/{role_name(setup)}"
