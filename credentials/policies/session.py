"""Hides how what a connection permits is written as a session policy.

Sent with AssumeRole, it narrows a session to the connection's buckets, prefixes and read actions, and to one place for copies
where a run makes some. AWS grants what both it and the role's own policies allow, so a policy that had to be shortened never grants
more than the customer did.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from config.errors import SessionRefusedError
from credentials.grants import Grant

SESSION_POLICY_CHARACTERS = 2_048
"""What STS takes as an inline session policy (AssumeRole, Policy)."""

_LIST = ["s3:ListBucket", "s3:ListBucketVersions"]
_READ = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"]
_READ_TAGS = ["s3:GetObjectTagging", "s3:GetObjectVersionTagging"]
_WRITE = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:GetObject"]
"""Of copies: what was made of parts is looked at by a HEAD."""
_WRITE_TAGS = "s3:PutObjectTagging"
_LOCATE = "s3:GetBucketLocation"
_SHORT_LIST = "s3:ListBucket*"
_SHORT_READ = "s3:GetObject*"
_DOMAINS = {"aws": ".amazonaws.com", "aws-us-gov": ".amazonaws.com", "aws-cn": ".amazonaws.com.cn"}
_UNWRITABLE = re.compile(r"[^\t\n\r\u0020-\u00ff]")
"""Characters that STS takes in no policy (AssumeRole, Policy: pattern)."""

_Statement = dict[str, Any]
_Scope = dict[str, tuple[str, ...]]
"""By bucket, the heads of the keys that it permits: sorted, none covering another; `("",)` is the whole bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPolicy:
    """What a connection's sessions may do: everything but the time."""

    grants: tuple[Grant, ...]
    partition: str = "aws"
    tags: bool = False
    """Tags are read; and copied, where objects are."""
    copy_to: Grant | None = None
    """The place of copies, for a run that makes some; its prefix ends with "/" and is made of what STS takes."""

    def render(self, *, not_after: float | None = None) -> str:
        """The JSON document, of at most 2,048 characters.

        `not_after` (Unix seconds, AWS's clock) ends every permission at that time, by `aws:CurrentTime`. What does not fit is
        written more shortly, step by step, the tightest that fits: it always permits what the grants do, and no write but copies
        to their place. Raises SessionRefusedError when there are no grants, or when no step fits.
        """
        if not self.grants:
            raise SessionRefusedError(
                "the connection permits no bucket, so its sessions could do nothing; name at least one bucket"
            )
        scope = _scope(self.grants)
        copies = self._copies()
        for document in _ever_shorter(
            scope, self.partition, lambda statements: _document([*statements, *copies], not_after), tags=self.tags
        ):
            if len(document) <= SESSION_POLICY_CHARACTERS:
                return document
        raise SessionRefusedError(
            f"the session policy for {len(scope)} buckets does not fit into STS's {SESSION_POLICY_CHARACTERS} characters, "
            "however shortened; split the connection into several with fewer buckets each",
            code="PolicyTooLong",
        )

    def _copies(self) -> list[_Statement]:
        """What they need of their place; and of its key, which is told by nobody: an upload in parts reads its parts again."""
        if self.copy_to is None:
            return []
        place = f"{_bucket_arn(self.partition, self.copy_to.bucket)}/{_literal(self.copy_to.prefix)}*"
        write = _allow([*_WRITE, *([_WRITE_TAGS] if self.tags else [])], [place])
        return [write, _through_s3("kms:GenerateDataKey", self.partition)]


def render_time_limit(not_after: float) -> str:
    """A session policy that only ends at `not_after` (Unix seconds, AWS's clock): until then, whatever the role allows."""
    return _document([{"Effect": "Allow", "Action": "*", "Resource": "*"}], not_after)


def _document(statements: Iterable[_Statement], not_after: float | None) -> str:
    limited = list(statements)
    if not_after is not None:
        until = datetime.fromtimestamp(math.ceil(not_after), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        limit = {"DateLessThan": {"aws:CurrentTime": until}}
        limited = [one | {"Condition": one.get("Condition", {}) | limit} for one in limited]
    document = {"Version": "2012-10-17", "Statement": limited}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _ever_shorter(
    scope: _Scope, partition: str, write: Callable[[list[_Statement]], str], *, tags: bool
) -> Iterator[str]:
    """Ever shorter documents for one scope: no comforts, listings shared, prefixes cut, whole buckets, bucket names cut."""
    yield write(_full(scope, partition, tags=tags))
    yield write(_compact(scope, partition, shared=False))
    longest = max(len(head) for heads in scope.values() for head in heads)
    yield _longest_that_fits(longest, lambda n: write(_compact(_cut_prefixes(scope, n), partition, shared=True)))
    whole = _cut_prefixes(scope, 0)
    # One character of each name always stays: a policy for any bucket at all would narrow nothing.
    longest = max(map(len, whole)) - 1
    yield _longest_that_fits(longest, lambda n: write(_compact(_cut_buckets(whole, n + 1), partition, shared=True)))


def _longest_that_fits(longest: int, write: Callable[[int], str]) -> str:
    """The document for the greatest n <= `longest` that fits; for the least where none does. Sizes rise with n."""
    too_long = bisect_left(range(longest + 1), True, key=lambda n: len(write(n)) > SESSION_POLICY_CHARACTERS)  # noqa: FBT003 - what the key is compared with
    return write(max(0, too_long - 1))


def _scope(grants: Iterable[Grant]) -> _Scope:
    by_bucket: dict[str, list[str]] = {}
    for grant in grants:
        by_bucket.setdefault(grant.bucket, []).append(_UNWRITABLE.split(grant.prefix, maxsplit=1)[0])
    if "" in by_bucket.get("*", ()):
        return {"*": ("",)}
    return {bucket: _heads(prefixes) for bucket, prefixes in sorted(by_bucket.items())}


def _heads(prefixes: Iterable[str]) -> tuple[str, ...]:
    """Sorted, without those that a shorter one covers."""
    kept: list[str] = []
    for prefix in sorted(prefixes):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return tuple(kept)


def _cut_prefixes(scope: _Scope, characters: int) -> _Scope:
    return {bucket: _heads(head[:characters] for head in heads) for bucket, heads in scope.items()}


def _cut_buckets(scope: _Scope, characters: int) -> _Scope:
    """Names longer than `characters` become their head and `*`."""
    names = {name if len(name) <= characters else f"{name[:characters]}*" for name in scope}
    return {name: ("",) for name in sorted(names) if f"{name}*" not in names}


def _full(scope: _Scope, partition: str, *, tags: bool) -> list[_Statement]:
    """Every action by its own name."""
    whole = [bucket for bucket, heads in scope.items() if heads == ("",)]
    statements = [_allow(_LIST, [_bucket_arn(partition, bucket) for bucket in whole])] if whole else []
    for heads, buckets in _by_heads(scope).items():
        patterns = [pattern for head in heads for pattern in (_literal(head), f"{_literal(head)}*")]
        statements.append(_allow(_LIST, [_bucket_arn(partition, bucket) for bucket in buckets], _prefixes(patterns)))
    statements.append(_allow([*_READ, *(_READ_TAGS if tags else ())], _object_arns(scope, partition)))
    statements.append(_allow([_LOCATE], [_bucket_arn(partition, bucket) for bucket in scope]))
    return [*statements, _decrypt(partition)]


def _compact(scope: _Scope, partition: str, *, shared: bool) -> list[_Statement]:
    """Actions by their common heads. `shared`: one statement lists all buckets by the prefixes of any of them."""
    whole = [_bucket_arn(partition, bucket) for bucket, heads in scope.items() if heads == ("",)]
    limited = _by_heads(scope)
    if shared and limited:
        heads = _heads(head for group in limited for head in group)
        limited = {heads: [bucket for buckets in limited.values() for bucket in buckets]}
    statements = [
        _allow(
            [_SHORT_LIST],
            [_bucket_arn(partition, bucket) for bucket in buckets],
            _prefixes([f"{_literal(head)}*" for head in heads]),
        )
        for heads, buckets in limited.items()
    ]
    # No listing is granted by the ARN of an object, nor a read by that of a bucket: one statement can hold both.
    actions = [_SHORT_LIST, _SHORT_READ] if whole else [_SHORT_READ]
    resources = list(dict.fromkeys([*whole, *_object_arns(scope, partition)]))
    return [*statements, _allow(actions, resources), _decrypt(partition)]


def _by_heads(scope: _Scope) -> dict[tuple[str, ...], list[str]]:
    """The buckets that are not permitted whole, grouped by what they permit."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for bucket, heads in scope.items():
        if heads != ("",):
            groups.setdefault(heads, []).append(bucket)
    return groups


def _allow(actions: list[str], resources: list[str], condition: dict[str, Any] | None = None) -> _Statement:
    statement: _Statement = {"Effect": "Allow", "Action": _plain(actions), "Resource": _plain(resources)}
    return statement | ({"Condition": condition} if condition else {})


def _decrypt(partition: str) -> _Statement:
    """Objects under a KMS key are read through S3 only."""
    return _through_s3("kms:Decrypt", partition)


def _through_s3(action: str, partition: str) -> _Statement:
    service = f"s3.*{_DOMAINS.get(partition, '')}"
    return _allow([action], ["*"], {"StringLike": {"kms:ViaService": service}})


def _prefixes(patterns: list[str]) -> dict[str, Any]:
    return {"StringLike": {"s3:prefix": _plain(patterns)}}


def _bucket_arn(partition: str, bucket: str) -> str:
    return f"arn:{partition}:s3:::{bucket}"


def _object_arns(scope: _Scope, partition: str) -> list[str]:
    return [
        # The ARN of a cut name ends with *, which matches its objects as well.
        _bucket_arn(partition, bucket)
        if bucket.endswith("*") and not head
        else f"{_bucket_arn(partition, bucket)}/{_literal(head)}*"
        for bucket, heads in scope.items()
        for head in heads
    ]


def _literal(text: str) -> str:
    """Text that stands for itself in a policy (IAM User Guide, policy variables: special characters)."""
    return re.sub(r"[*?$]", lambda found: f"${{{found[0]}}}", text)


def _plain(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values
