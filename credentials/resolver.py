"""Finds the connection for a place that somebody names without saying how to get there: the most specific permitted one."""

from __future__ import annotations

from config.errors import AmbiguousConnectionError, OutOfScopeError
from credentials.connection import Connection
from credentials.kinds import BucketSpec, RoleSpec

_SHOWN = 10


def choose(connections: list[Connection], bucket: str, prefix: bytes, *, workspace: str) -> Connection:
    """Who reads everything below `prefix` of `bucket`, of the `connections` that the workspace sees: the longest permitted prefix wins,
    then the bucket, then the built-in connection; of two alike, the workspace's own before the organisation's.

    Raises OutOfScopeError if none permits it, AmbiguousConnectionError if several do so alike.
    """
    reaching = [
        (reach, connection.own and connection.kind != "default", connection)
        for connection in connections
        if _reads_buckets(connection) and (reach := connection.reach(bucket, prefix)) is not None
    ]
    asked = f"s3://{bucket}/{prefix.decode(errors='backslashreplace')}"
    if not reaching:
        there = [connection.name for connection in connections if _reads_buckets(connection)]
        shown = ", ".join(there[:_SHOWN]) + (f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else "")
        remedy = (
            "add a connection for it"
            if all(one.kind == "default" for one in connections if _reads_buckets(one))
            else "add the place to one of them, or add a connection for it"
        )
        raise OutOfScopeError(
            f"no connection of workspace {workspace!r} permits {asked} (there {'is' if len(there) == 1 else 'are'}: {shown}): {remedy}"
        )
    # a place that the operator lists for the built-in connection gives way to the same place of a connection made for it
    best = max((reach, connection.kind != "default", own) for reach, own, connection in reaching)
    alike = [one for reach, own, one in reaching if (reach, one.kind != "default", own) == best]
    if len(alike) > 1:
        names = " and ".join(sorted(connection.name for connection in alike))
        raise AmbiguousConnectionError(
            f"{asked} is permitted by {names} alike: name one of them (--connection, or `connection` in the job)"
        )
    return alike[0]


def _reads_buckets(connection: Connection) -> bool:
    spec = connection.spec
    return isinstance(spec, BucketSpec) and not (isinstance(spec, RoleSpec) and spec.scope != "s3")
