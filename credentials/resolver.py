"""Finds the connection for a place that somebody names without saying how to get there: the most specific permitted one."""

from __future__ import annotations

from collections.abc import Sequence

from config.errors import AmbiguousConnectionError, OutOfScopeError
from credentials.connection import Connection, asked_for, is_web
from credentials.kinds import BasicSpec, BearerSpec, BucketSpec, RoleSpec

Places = Sequence[tuple[str, Sequence[bytes]]]
"""Keys or prefixes by their bucket, or paths by the origin of their server."""

_SHOWN = 10


def choose(connections: list[Connection], bucket: str, prefix: bytes, *, workspace: str) -> Connection:
    """Who reads everything below `prefix` of `bucket`, of the `connections` that the workspace sees: the longest permitted prefix wins,
    then the bucket, then the built-in connection; of two alike, the workspace's own before the organisation's. `bucket` may be the
    origin of an HTTPS server.

    Raises OutOfScopeError if none permits it, AmbiguousConnectionError if several do so alike.
    """
    able = [connection for connection in connections if _reads(connection, web=is_web(bucket))]
    reaching = [
        (reach, connection.own and connection.kind != "default", connection)
        for connection in able
        if (reach := connection.reach(bucket, prefix)) is not None
    ]
    asked = asked_for(bucket, prefix)
    if not reaching:
        there = [connection.name for connection in able]
        shown = ", ".join(there[:_SHOWN]) + (f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else "")
        remedy = (
            "add a connection for it"
            if all(one.kind == "default" for one in able)
            else "add the place to one of them, or add a connection for it"
        )
        if is_web(bucket):
            remedy += ", or have the operator list the server in LONGSHORE_PUBLIC_HTTPS"
            remedy += next(filter(None, (one.other_port(bucket) for one in able)), "")
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


def choose_for_all(connections: list[Connection], places: Places, *, workspace: str) -> Connection | None:
    """Who reads all of these objects, given by bucket or server: of those that permit all, the one whose widest place is narrowest, then
    as `choose` does. None if no one connection permits all. Raises AmbiguousConnectionError if several do so alike.
    """
    web = any(is_web(bucket) for bucket, _ in places)
    reaching = [
        ((min(reaches), connection.kind != "default", connection.own), connection)
        for connection in connections
        if _reads(connection, web=web) and (reaches := _reaches(connection, places))
    ]
    best = max((rank for rank, _ in reaching), default=None)
    alike = [connection for rank, connection in reaching if rank == best]
    if len(alike) > 1:
        names = " and ".join(sorted(connection.name for connection in alike))
        raise AmbiguousConnectionError(
            f"these objects are permitted by {names} alike in workspace {workspace!r}: name one of them (--connection, or `connection` in the job)"
        )
    return alike[0] if alike else None


def resolve(connections: list[Connection], places: Places, *, named: bool, workspace: str) -> Connection:
    """Who reads all of a job. `named`: the places are objects; then one connection may permit them all, though others be narrower for some.

    Raises as `choose` does, and AmbiguousConnectionError if different connections are the ones for different places.
    """
    if named and (found := choose_for_all(connections, places, workspace=workspace)) is not None:
        return found
    by_id: dict[str, Connection] = {}
    uris: dict[str, str] = {}
    for bucket, keys in places:
        for key in keys:
            connection = choose(connections, bucket, key, workspace=workspace)
            by_id[connection.id] = connection
            uris.setdefault(connection.id, asked_for(bucket, key))
    if len(by_id) > 1:
        told = ", ".join(f"{uris[one.id]} is read through {one.name}" for one in by_id.values())
        raise AmbiguousConnectionError(
            f"one job reads through one connection, and {told}: name the connection, or send a job for each"
        )
    return next(iter(by_id.values()))


def _reaches(connection: Connection, places: Places) -> set[int]:
    """How narrowly each is permitted; empty as soon as one is not."""
    found: set[int] = set()
    for bucket, keys in places:
        for key in keys:
            if (reach := connection.reach(bucket, key)) is None:
                return set()
            found.add(reach)
    return found


def _reads(connection: Connection, *, web: bool) -> bool:
    spec = connection.spec
    if web:
        return isinstance(spec, BasicSpec | BearerSpec) or connection.kind == "default"
    return isinstance(spec, BucketSpec) and not (isinstance(spec, RoleSpec) and spec.scope != "s3")
