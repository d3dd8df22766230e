"""Signed URLs of one workspace: each object is signed by the connection that it belongs to, in whatever order they are asked for."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import LongshoreError
from config.limits import Limits
from credentials.audit import Audit
from credentials.connection import Connection
from credentials.kinds import parse_kept
from credentials.resolver import choose
from credentials.session import Access, Session
from ingest.presign import Wanted
from ingest.s3.address import Address, Location, address_of
from tests.unit.credentials.connections import ROLE, a_catalog
from worker.presigning import Presigning, Signed
from worker.storage import Storage


class _Own:
    """A session for each connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def session(self, *, min_remaining_s: float = 0.0) -> Session:
        return Session(access_key_id=f"ASIA-{self._connection.name}", secret_access_key="s", token="t")

    async def reject(self, access_key_id: str) -> None: ...

    async def renew(self) -> None: ...


class _Storage(Storage):
    """Connections that are given, and no server."""

    def __init__(self, **places: str) -> None:
        self.seen = [_connection(name, place) for name, place in places.items()]

    @property
    def workspace(self) -> str:
        return "main"

    async def connections(self) -> list[Connection]:
        return self.seen

    async def signing(self, connection: Connection, buckets: Sequence[str]) -> Access:
        return _Own(connection)

    async def address(self, connection: Connection, bucket: str) -> Address:
        return address_of(Location(bucket=bucket, region="eu-west-1"), "eu-west-1")


def _connection(name: str, place: str) -> Connection:
    spec = parse_kept({"kind": "aws_role", "name": name, "role_arn": ROLE, "allow": [place]})
    return Connection(
        id=name, workspace="main", owner="main", kept_id=name, spec=spec, version=1, created_at=0, updated_at=0
    )


@pytest.fixture
async def audit(tmp_path: Path) -> AsyncGenerator[Audit]:
    async with a_catalog(tmp_path) as database:
        yield Audit(database=database, workspace="main")


async def _signed(storage: Storage, audit: Audit, *keys: bytes) -> list[Signed]:
    presigning = Presigning(storage=storage, audit=audit, limits=Limits())
    return await presigning.sign([Wanted("media", key) for key in keys], connection=None, expires_s=60, actor="me")


KEYS = {b"x": "whole", b"/x": "slash", b"//x": "slash"}


@pytest.mark.parametrize("keys", list(itertools.permutations([b"x", b"/x", b"//x"])), ids=str)
async def test_a_folder_without_a_name_is_another_one_than_the_bucket(audit: Audit, keys: tuple[bytes, ...]) -> None:
    """What a key before it found is taken for keys of the same folder only."""
    storage = _Storage(whole="s3://media", slash="s3://media//")
    signed = await _signed(storage, audit, *keys)
    assert [one.connection for one in signed] == [KEYS[key] for key in keys]
    for one, key in zip(signed, keys, strict=True):
        assert f"ASIA-{KEYS[key]}" in one.presigned.url
        assert urlsplit(one.presigned.url).path == f"/{key.decode()}"


async def test_a_key_that_no_connection_permits_is_not_signed_by_the_one_of_a_folder_like_it(audit: Audit) -> None:
    storage = _Storage(slash="s3://media//")
    for keys in ((b"/x", b"x"), (b"x", b"/x")):
        with pytest.raises(LongshoreError, match="1 of 2 URLs can't be signed") as caught:
            await _signed(storage, audit, *keys)
        assert [place for place, _ in caught.value.fields["problems"]] == [keys.index(b"x")]
    assert await audit.lines(limit=9) == []


_PARTS = st.lists(st.sampled_from(["", "a", "b"]), max_size=4)


@given(keys=st.lists(_PARTS.map(lambda parts: "/".join([*parts, "x"]).encode()), min_size=1, max_size=9))
async def test_each_object_is_signed_by_the_connection_that_it_finds_alone(keys: list[bytes]) -> None:
    storage = _Storage(whole="s3://media", slash="s3://media//", deep="s3://media/a/", both="s3://media//a//")
    presigning = Presigning(storage=storage, audit=_Unheard(), limits=Limits())
    signed = await presigning.sign([Wanted("media", key) for key in keys], connection=None, expires_s=60, actor="me")
    assert [one.connection for one in signed] == [
        choose(storage.seen, "media", key, workspace="main").name for key in keys
    ]


class _Unheard(Audit):
    """Lines go nowhere."""

    def __init__(self) -> None:
        pass

    async def note(self, action: str, *, on: str, actor: str, detail: object = None) -> None:
        pass
