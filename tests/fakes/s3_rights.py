"""Which action a request to S3 asks for, and whether whoever signed it may do that, by all documents that have a say."""

from __future__ import annotations

from tests.fakes.iam import Ask
from tests.fakes.s3_answers import error
from tests.fakes.s3_asked import Asked
from tests.fakes.s3_kms import Keys
from tests.fakes.s3_store import Bucket, Stored
from tests.fakes.s3_wire import Answer
from tests.fakes.sts_roles import Grant, moment

_OF_BUCKETS = {
    "list": "s3:ListBucket",
    "head_bucket": "s3:ListBucket",
    "list_versions": "s3:ListBucketVersions",
    "get_location": "s3:GetBucketLocation",
}
_WRITES = ("put", "copy", "create_upload", "copy_part", "complete_upload")
_OF_OBJECTS = {
    **dict.fromkeys(_WRITES, "PutObject"),
    "put_tags": "PutObjectTagging",
    "abort_upload": "AbortMultipartUpload",
    "delete": "DeleteObject",
    "get_tags": "GetObjectTagging",
}
_LIST_KEYS = {"prefix": "s3:prefix", "delimiter": "s3:delimiter", "max-keys": "s3:max-keys"}

_PUT_KEYS = ("x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id", "x-amz-acl")


def action_of(asked: Asked) -> str:
    if asked.op in _OF_BUCKETS:
        return _OF_BUCKETS[asked.op]
    action = _OF_OBJECTS.get(asked.op, "GetObject")
    if "versionId" in asked.query:
        action = "GetObjectVersionTagging" if action == "GetObjectTagging" else f"{action}Version"
    return f"s3:{action}"


def denial(asked: Asked, grant: Grant, bucket: Bucket | None, keys: Keys, now: float) -> Answer | None:
    """403, or 400 for a key that can't be used; None if it may go on."""
    if bucket is None:
        return _refused(_ask(asked, action_of(asked), grant, None, now), grant, None)
    own = bucket.reckoned == grant.principal.account
    if asked.sent("x-amz-expected-bucket-owner") not in (None, bucket.owner):
        return error(403, "AccessDenied", "Access Denied")
    if bucket.requester_pays and not own and not asked.sent("x-amz-request-payer"):
        return error(403, "AccessDenied", "Access Denied")
    stored = bucket.find(asked.key, asked.version) if asked.op not in _OF_BUCKETS else None
    ask = _ask(asked, action_of(asked), grant, stored, now)
    refused = _refused(ask, grant, bucket, stored)
    if refused is None and stored is None and asked.op in {"get", "head", "get_tags"}:
        refused = _refused(_seen(bucket, grant, now), grant, bucket)
    return refused or _by_key(asked, grant, bucket, stored, keys, now)


def may_read_tags(asked: Asked, bucket: Bucket, stored: Stored, now: float) -> bool:
    if asked.grant is None:
        return True
    action = "s3:GetObjectVersionTagging" if asked.version else "s3:GetObjectTagging"
    return _refused(_ask(asked, action, asked.grant, stored, now), asked.grant, bucket, stored) is None


def _ask(asked: Asked, action: str, grant: Grant, stored: Stored | None, now: float) -> Ask:
    arn = f"arn:aws:s3:::{asked.bucket}"
    context: dict[str, str] = moment(now)
    if asked.op in _OF_BUCKETS:
        sent = {name: asked.query[name] for name in _LIST_KEYS if name in asked.query}
        context |= {_LIST_KEYS[name]: value.decode("utf-8", "surrogateescape") for name, value in sent.items()}
    else:
        arn += f"/{asked.key.decode('utf-8', 'surrogateescape')}"
        if asked.version:
            context["s3:VersionId"] = asked.version
        for name in _PUT_KEYS if asked.op in _WRITES else ():
            if value := asked.sent(name):
                context[f"s3:{name}"] = value
        if stored is not None:
            context |= {f"s3:ExistingObjectTag/{name}": value for name, value in stored.tags.items()}
    if grant.source_identity:
        context["aws:SourceIdentity"] = grant.source_identity
    return Ask(action=action, resource=arn, context=context, principal=grant.principal)


def _seen(bucket: Bucket, grant: Grant, now: float) -> Ask:
    """What S3 asks itself before it tells that a key does not exist: a listing of the bucket, of no prefix in particular."""
    resource = f"arn:aws:s3:::{bucket.name}"
    return Ask(action="s3:ListBucket", resource=resource, context=moment(now), principal=grant.principal)


def _refused(ask: Ask, grant: Grant, bucket: Bucket | None, stored: Stored | None = None) -> Answer | None:
    account = bucket.reckoned if bucket else None
    policy = bucket.policy if bucket else None
    if bucket is not None and stored is not None and (stranger := bucket.stranger(stored)):
        if stranger != grant.principal.account:
            return error(403, "AccessDenied", "Access Denied")
        account = stranger
    why = grant.refusal(ask, account=account, resource=policy)
    if not why:
        return None
    text = f'User: {grant.arn} is not authorized to perform: {ask.action} on resource: "{ask.resource}" {why}'
    if account not in (None, grant.principal.account):
        text = "Access Denied"  # S3 says no more to another account
    return error(403, "AccessDenied", text)


def _by_key(asked: Asked, grant: Grant, bucket: Bucket, stored: Stored | None, keys: Keys, now: float) -> Answer | None:
    """What KMS says. HEAD needs it only for checksums."""
    object_arn = f"arn:aws:s3:::{bucket.name}/{asked.key.decode('utf-8', 'surrogateescape')}"
    if asked.op in _WRITES:
        return _by_own_key(asked, grant, bucket, keys, now)
    reads = asked.op == "get" or (asked.op == "head" and asked.sent("x-amz-checksum-mode") == "ENABLED")
    if not reads or stored is None or not stored.kms_key:
        return None
    return keys.refusal("kms:Decrypt", stored.kms_key, grant, bucket, object_arn, now)


def _by_own_key(asked: Asked, grant: Grant, bucket: Bucket, keys: Keys, now: float) -> Answer | None:
    """What is written is encrypted under the key that is asked for, else under the bucket's. An upload in parts reads its parts again."""
    wanted = asked.sent("x-amz-server-side-encryption-aws-kms-key-id") or ""
    if not asked.sent("x-amz-server-side-encryption"):
        wanted = wanted or bucket.kms_key
    if not wanted:
        return None
    object_arn = f"arn:aws:s3:::{bucket.name}/{asked.key.decode('utf-8', 'surrogateescape')}"
    refused = keys.refusal("kms:GenerateDataKey", wanted, grant, bucket, object_arn, now)
    if refused is None and asked.op in {"copy_part", "complete_upload"}:
        refused = keys.refusal("kms:Decrypt", wanted, grant, bucket, object_arn, now)
    return refused
