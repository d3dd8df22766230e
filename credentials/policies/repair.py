"""The one statement that permits what was found missing: for whoever repairs a policy instead of pasting it whole."""

from __future__ import annotations

from typing import Final

from credentials.grants import Grant
from credentials.policies.access import ACTIONS, Need, prefix_condition, through_s3, via_s3
from credentials.policies.bucket import tag_condition
from credentials.policies.document import Statement, allow, bucket_arn, mark, objects_arn
from credentials.policies.setup import Setup

_ON_BUCKETS: Final = ("list", "list_versions")
_ON_KEYS: Final = ("decrypt", "generate_data_key")


def statement_for(need: Need, setup: Setup, place: Grant, *, key_arn: str | None = None) -> Statement:
    """What to add to the role's policy (or, by the bucket method, to the bucket's) so that `need` is permitted in `place`.

    Its Sid is of this need and place alone, so that statements pasted one after the other fit into one policy. A key is `key_arn`, else the one that the connection names, else words in capitals where its ARN belongs.
    """
    about = mark(setup.workspace, setup.connection, place.bucket, place.prefix, key_arn)
    sid = f"Longshore{need.title().replace('_', '')}{about}"
    if need in _ON_KEYS:
        return _on_key(sid, need, setup, key_arn)
    principal = setup.principal if setup.method == "bucket" else None
    condition = tag_condition(setup)
    if need not in _ON_BUCKETS:
        resource = objects_arn(setup.partition, place.bucket, place.prefix)
        return allow(sid, ACTIONS[need], [resource], principal=principal, condition=condition)
    if place.prefix:
        condition = condition | prefix_condition([place.prefix])
    resource = bucket_arn(setup.partition, place.bucket)
    return allow(sid, ACTIONS[need], [resource], principal=principal, condition=condition)


def _on_key(sid: str, need: Need, setup: Setup, key_arn: str | None) -> Statement:
    """Of the identity that reads: a key's own policy is `kms.key_statement`."""
    keys = [key_arn] if key_arn is not None else list(setup.kms_keys[:1])
    if keys:
        return through_s3(setup.partition, sid, ACTIONS[need], keys)[0]
    unknown = f"arn:{setup.partition}:kms:REGION:ACCOUNT:key/KEY-ID"
    return allow(sid, ACTIONS[need], [unknown], condition=via_s3(setup.partition, ["REGION"]))
