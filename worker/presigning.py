"""Signed URLs for whoever asks: hides which connection signs which object, and that each batch leaves a line in the audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from config.errors import LongshoreError, PresignError
from config.limits import Limits
from credentials.audit import Audit
from credentials.connection import Connection
from credentials.resolver import choose
from credentials.veil import veiled
from ingest.presign import Presigned, Presigner, Wanted, parameters_of
from worker.storage import Storage


class Signed(NamedTuple):
    """A URL, and the name of the connection that signed it."""

    presigned: Presigned
    connection: str


@dataclass(slots=True)
class _Group:
    """What one session signs."""

    connection: Connection
    places: list[int] = field(default_factory=list)
    """Which of what is wanted."""


class Presigning:
    """The signed URLs of one workspace."""

    def __init__(self, *, storage: Storage, audit: Audit, limits: Limits) -> None:
        self._storage, self._audit, self._limits = storage, audit, limits

    async def sign(
        self, wanted: Sequence[Wanted], *, connection: str | None, expires_s: int, actor: str
    ) -> list[Signed]:
        """A URL for each, in this order, or none at all; see `Presigner.sign`. `connection`: None lets each object find the most
        specific one.

        What is wrong with single objects is one PresignError, whose field `problems` has them all: which of `wanted`, and what.
        """
        groups, signed = await self._grouped(wanted, connection), dict[int, Signed]()
        for group in groups:
            ours = [wanted[place] for place in group.places]
            try:
                presigner = await self._presigner(group.connection, sorted({one.bucket for one in ours}))
                urls = await presigner.sign(ours, expires_s=expires_s)
            except LongshoreError as error:
                raise veiled(error, group.connection) from None
            signed.update(
                (place, Signed(url, group.connection.name)) for place, url in zip(group.places, urls, strict=True)
            )
        for group in groups:  # before anybody gets a URL
            buckets = sorted({wanted[place].bucket for place in group.places})
            detail = {"count": len(group.places), "expires_s": expires_s, "buckets": buckets}
            await self._audit.note("presigned", on=f"connection:{group.connection.name}", actor=actor, detail=detail)
        return [signed[place] for place in range(len(wanted))]

    async def _grouped(self, wanted: Sequence[Wanted], name: str | None) -> list[_Group]:
        named = None if name is None else await self._storage.connection(name)
        seen = [] if named else await self._storage.connections()
        found: dict[tuple[str, bytes], Connection] = {}
        groups: dict[tuple[str, str], _Group] = {}
        problems: list[tuple[int, str]] = []
        for place, one in enumerate(wanted):
            # places end with a slash, so a connection permits all keys of one folder or none
            folder = (one.bucket, one.key[: one.key.rfind(b"/") + 1])
            try:
                chosen = named or found.get(folder)
                if chosen is None:
                    chosen = found[folder] = choose(seen, one.bucket, one.key, workspace=self._storage.workspace)
                parameters_of(chosen, one)
            except LongshoreError as error:
                problems.append((place, error.message))
                continue
            # our own identity is narrowed to what is asked for, and a session policy has not room for many buckets
            part = one.bucket if chosen.kind == "default" else ""
            groups.setdefault((chosen.id, part), _Group(chosen)).places.append(place)
        if problems:
            first = problems[0][1]
            raise PresignError(
                f"{len(problems):,} of {len(wanted):,} URLs can't be signed, so none is: {first}", problems=problems
            )
        return list(groups.values())

    async def _presigner(self, connection: Connection, buckets: Sequence[str]) -> Presigner:
        return Presigner(
            connection=connection,
            access=await self._storage.signing(connection, buckets),
            address=partial(self._storage.address, connection),
            limits=self._limits,
        )
