"""How another process tells the fake what to do: POST /_fake/<verb> with JSON; keys as text, or as hex under `key_hex`.

bucket {name, region?, owner?, requester_pays?} | put {bucket, key, body?, body_hex?, and fields of new_object}
put_many {bucket, prefix, count, size?} | delete {bucket, key} | keys {access_key_id, secret, policy?}
role {arn, external_id?, policy?, max_session_s?} | deny {arn, denied} | expire {access_key_id?}
fault {fields of Fault} | clear {} | release {} | clock {advance_s} | dialect {fields of Dialect}
log {op?, since?} -> requests | calls {} -> STS calls | grants {} -> sessions | forget {} empties both
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tests.fakes.s3_faults import Fault
from tests.fakes.s3_store import new_object
from tests.fakes.s3_wire import Answer, Request

if TYPE_CHECKING:
    from tests.fakes.s3 import FakeS3  # it imports this module


def control(s3: FakeS3, request: Request) -> Answer:
    verb = _VERBS.get(request.path.removeprefix("/_fake/"))
    if verb is None:
        return Answer(status=404, body=b'{"error": "no such verb"}')
    result = verb(s3, json.loads(request.body or b"{}"))
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


def _delete(s3: FakeS3, fields: dict[str, Any]) -> None:
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


def _grants(s3: FakeS3, _fields: dict[str, Any]) -> list[dict[str, Any]]:
    sessions = (grant for grant in s3.sts.grants.values() if grant.token is not None)
    return [{"access_key_id": one.access_key_id, "secret": one.secret, "token": one.token} for one in sessions]


def _forget(s3: FakeS3, _fields: dict[str, Any]) -> None:
    s3.log.clear()
    s3.sts.calls.clear()


_VERBS: dict[str, Callable[[FakeS3, dict[str, Any]], Any]] = {
    "bucket": _bucket,
    "put": _put,
    "put_many": _put_many,
    "delete": _delete,
    "keys": _keys,
    "role": _role,
    "deny": _deny,
    "expire": _expire,
    "fault": _fault,
    "clear": _clear,
    "release": _release,
    "clock": _clock,
    "dialect": _dialect,
    "log": _log,
    "calls": _calls,
    "grants": _grants,
    "forget": _forget,
}
