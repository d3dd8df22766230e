"""The AWS CLI's commands: what the documents do in the console, for a shell."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

from credentials.policies.access import access_policy
from credentials.policies.bucket import bucket_policies
from credentials.policies.cors import cors_rules
from credentials.policies.document import pretty
from credentials.policies.names import description, policy_name, role_name
from credentials.policies.setup import Setup
from credentials.policies.trust import trust_policy

_FROM_HERE: Final = "file:///dev/stdin"


def commands(setup: Setup) -> str:
    """A shell script, for sh. It makes the role, or adds to each bucket a policy where it has none; CORS likewise."""
    parts = list(_bucket_policies(setup) if setup.method == "bucket" else _role(setup))
    if setup.origins and setup.scope == "s3":
        parts += _cors(setup)
    return "\n".join(parts)


def _role(setup: Setup) -> Iterator[str]:
    name = shlex.quote(role_name(setup))
    said = shlex.quote(description(setup))
    create = f"aws iam create-role --role-name {name} --description {said} --assume-role-policy-document {_FROM_HERE}"
    put = f"aws iam put-role-policy --role-name {name} --policy-name {shlex.quote(policy_name(setup))} --policy-document {_FROM_HERE}"
    yield _with_document(create, trust_policy(setup))
    yield _with_document(put, access_policy(setup))
    yield f"aws iam get-role --role-name {name} --query Role.Arn --output text\n"


def _bucket_policies(setup: Setup) -> Iterator[str]:
    for bucket, policy in bucket_policies(setup).items():
        yield _where_none_is(
            "bucket-policy",
            "NoSuchBucketPolicy",
            bucket,
            _with_document(f"aws s3api put-bucket-policy --bucket {bucket} --policy {_FROM_HERE}", policy),
        )


def _cors(setup: Setup) -> Iterator[str]:
    for bucket in setup.reads():
        put = f"aws s3api put-bucket-cors --bucket {bucket} --cors-configuration {_FROM_HERE}"
        yield _where_none_is(
            "bucket-cors", "NoSuchCORSConfiguration", bucket, _with_document(put, {"CORSRules": cors_rules(setup)})
        )


def _where_none_is(what: str, code: str, bucket: str, command: str) -> str:
    """Putting one replaces the one that is there, so that is left to the owner. A look that is denied counts as one that is there."""
    shown = {"bucket-policy": "a policy", "bucket-cors": "CORS rules"}[what]
    said = f"bucket {bucket} has {shown} already, or can not be looked at: nothing was replaced; add to it by hand"
    return (
        f'if ! why=$(aws s3api get-{what} --bucket {bucket} 2>&1 >/dev/null) && echo "$why" | grep -q {code}; then\n'
        f"{command}else\necho '{said}' >&2\nfi\n"
    )


def _with_document(command: str, document: object) -> str:
    """The delimiter is quoted, so the shell changes nothing in the document, none of whose lines can be the delimiter."""
    return f"{command} <<'END'\n{pretty(document)}\nEND\n"
