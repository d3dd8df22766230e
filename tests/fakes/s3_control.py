"""How another process tells the fake what to do: POST /_fake/<verb> with JSON; keys as text, or as hex under `key_hex`.

bucket {fields of Bucket} | change_bucket {name, and fields of Bucket: policy, account, ownership, versioned, cors ...}
put {bucket, key, body?, body_hex?, and fields of new_object: tags, owner, kms_key ...} | delete {bucket, key, version?}
put_many {bucket, prefix, count, size?} | tags {bucket, key, tags} | kms {arn, policy?, allowed?, disabled?}
keys {access_key_id, secret, policy?, arn?, tags?} | caller {policy, access_key_id?}: what keys (our own) may do
role {arn, trust?, external_id?, policy?, max_session_s?} | change_role {arn, in_s?, and fields of Role} | deny {arn, denied}
expire {access_key_id?} | fault {fields of Fault} | release {} | clock {advance_s} | dialect {fields of Dialect}
cloud {max_skew_s?, disabled_regions?} | clear {}: no faults, any skew, every region, our keys may do everything, no keys of KMS
log {op?, since?} -> requests | calls {} -> STS calls | probes {} -> those that tried a role's trust | grants {} -> sessions
forget {} empties log, calls and probes
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from tests.fakes.iam_conditions import UnknownElementError
from tests.fakes.s3_faults import Fault
from tests.fakes.s3_store import new_object
from tests.fakes.s3_wire import Answer, Request
from tests.fakes.sts import OPERATOR_KEY

if TYPE_CHECKING:
    from tests.fakes.s3 import FakeS3  # it imports this module


def control(s3: FakeS3, request: Request) -> Answer:
    verb = _VERBS.get(request.path.removeprefix("/_fake/"))
    if verb is None:
        return Answer(status=404, body=b'{"error": "no such verb"}')
    try:
        result = verb(s3, json.loads(request.body or b"{}"))
    except (KeyError, TypeError, ValueError, UnknownElementError) as wrong:
        return Answer(status=400, body=json.dumps({"error": f"{type(wrong).__name__}: {wrong}"}).encode())
    return Answer(headers={"Content-Type": "application/json"}, body=json.dumps(result).encode())


def _key(fields: dict[str, Any]) -> bytes:
    if "key_hex" in fields:
        return bytes.fromhex(fields.pop("key_hex"))
    return str(fields.pop("key")).encode()


def _bucket(s3: FakeS3, fields: dict[str, Any]) -> None:
    s3.create_bucket(**fields)


def _put(s3: FakeS3, fields: dict[str, Any]) -> str:
    key = _key(fields)
    body = bytes.fromhex(fields.pop("body_hex")) if "body_hex" in fields else str(fields.pop("body", "")).encode()
    return s3.put(fields.pop("bucket"), key, body, **fields).etag


def _put_many(s3: FakeS3, fields: dict[str, Any]) -> int:
    count, size, prefix = int(fields["count"]), int(fields.get("size", 0)), str(fields["prefix"])
    names = (f"{prefix}{number:09d}" for number in range(count))
    s3.buckets[fields["bucket"]].put_many((name.encode(), new_object(name.encode(), size=size)) for name in names)
    return count


def _change_bucket(s3: FakeS3, fields: dict[str, Any]) -> None:
    bucket = s3.buckets[fields.pop("name")]
    s3.buckets[bucket.name] = replace(bucket, **fields)


def _tags(s3: FakeS3, fields: dict[str, Any]) -> None:
    s3.buckets[fields["bucket"]].objects[_key(fields)].tags = fields["tags"]


def _kms(s3: FakeS3, fields: dict[str, Any]) -> None:
    s3.keys.add(**fields)


def _caller(s3: FakeS3, fields: dict[str, Any]) -> None:
    s3.sts.grants[fields.get("access_key_id", OPERATOR_KEY)].policy = fields["policy"]


def _change_role(s3: FakeS3, fields: dict[str, Any]) -> None:
    s3.sts.roles[fields.pop("arn")].change(**fields)


def _cloud(s3: FakeS3, fields: dict[str, Any]) -> None:
    s3.max_skew_s = fields.get("max_skew_s", s3.max_skew_s)
    s3.sts.disabled_regions = set(fields.get("disabled_regions", s3.sts.disabled_regions))


def _delete(s3: FakeS3, fields: dict[str, Any]) -> None:
    if "version" in fields:
        s3.buckets[fields["bucket"]].delete_version(_key(fields), fields["version"])
    else:
        s3.delete(fields["bucket"], _key(fields))


def _keys(s3: FakeS3, fields: dict[str, Any]) -> None:
    s3.sts.add_keys(**fields)


def _role(s3: FakeS3, fields: dict[str, Any]) -> None:
    s3.sts.add_role(**fields)


def _deny(s3: FakeS3, fields: dict[str, Any]) -> None:
    s3.sts.roles[fields["arn"]].denied = bool(fields.get("denied", True))


def _expire(s3: FakeS3, fields: dict[str, Any]) -> None:
    s3.sts.expire(fields.get("access_key_id"))


def _fault(s3: FakeS3, fields: dict[str, Any]) -> None:
    s3.faults.add(Fault(**fields))


def _clear(s3: FakeS3, _fields: dict[str, Any]) -> None:
    s3.faults.clear()
    s3.max_skew_s = None
    s3.sts.disabled_regions.clear()
    s3.sts.operator.policy = None
    s3.keys.known.clear()


def _release(s3: FakeS3, _fields: dict[str, Any]) -> None:
    s3.faults.release()


def _clock(s3: FakeS3, fields: dict[str, Any]) -> float:
    s3.advance(float(fields["advance_s"]))
    return s3.now()


def _dialect(s3: FakeS3, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        setattr(s3.dialect, name, value)


def _log(s3: FakeS3, fields: dict[str, Any]) -> list[dict[str, Any]]:
    requests = s3.requests(fields.get("op"))[int(fields.get("since", 0)) :]
    return [
        {
            "op": one.op,
            "bucket": one.bucket,
            "key_hex": one.key.hex(),
            "key": one.key.decode("utf-8", "replace"),
            "target": one.target,
            "status": one.status,
            "access_key_id": one.access_key_id,
            "fault": one.fault,
        }
        for one in requests
    ]


def _calls(s3: FakeS3, _fields: dict[str, Any]) -> list[dict[str, Any]]:
    return [asdict(call) for call in s3.sts.calls]


def _probes(s3: FakeS3, _fields: dict[str, Any]) -> list[dict[str, Any]]:
    return [asdict(call) for call in s3.sts.probes()]


def _grants(s3: FakeS3, _fields: dict[str, Any]) -> list[dict[str, Any]]:
    sessions = (grant for grant in s3.sts.grants.values() if grant.token is not None)
    return [{"access_key_id": one.access_key_id, "secret": one.secret, "token": one.token} for one in sessions]


def _forget(s3: FakeS3, _fields: dict[str, Any]) -> None:
    s3.log.clear()
    s3.sts.calls.clear()


_VERBS: dict[str, Callable[[FakeS3, dict[str, Any]], Any]] = {
    "bucket": _bucket,
    "change_bucket": _change_bucket,
    "put": _put,
    "put_many": _put_many,
    "delete": _delete,
    "tags": _tags,
    "kms": _kms,
    "keys": _keys,
    "caller": _caller,
    "role": _role,
    "change_role": _change_role,
    "cloud": _cloud,
    "deny": _deny,
    "expire": _expire,
    "fault": _fault,
    "clear": _clear,
    "release": _release,
    "clock": _clock,
    "dialect": _dialect,
    "log": _log,
    "calls": _calls,
    "probes": _probes,
    "grants": _grants,
    "forget": _forget,
}
