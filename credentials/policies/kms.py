"""The key statement: lets whoever reads the bucket decrypt with its KMS key, through S3 alone."""

from __future__ import annotations

from config.errors import ConnectionSetupError
from credentials.policies.access import ACTIONS, via_s3
from credentials.policies.bucket import tag_condition
from credentials.policies.document import Statement, allow
from credentials.policies.names import reader
from credentials.policies.setup import Setup, key_region


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
    condition["StringEquals"] |= tag_condition(setup).get("StringEquals", {})
    return allow(f"LongshoreReads{setup.mark}", actions, ["*"], principal=reader(setup), condition=condition)
