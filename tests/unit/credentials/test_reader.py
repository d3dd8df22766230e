"""The built-in connection through a reader role of ours: each workspace by a tag of its own, narrowed to what a run is about."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from config.limits import Limits
from credentials.access import Accesses
from credentials.external_ids import ExternalIds
from credentials.grants import Grant
from credentials.identity import OwnIdentity
from credentials.policies.session import SessionPolicy
from credentials.policies.setup import WORKSPACE_TAG
from credentials.registry import Registry
from credentials.session import Session
from credentials.sessions import SessionCache
from credentials.trust import Trust
from tests.fakes.clock import ManualClock
from tests.unit.credentials.connections import a_catalog, a_registry, settings_of
from tests.unit.credentials.fake_sts import FakeSts

READER = "arn:aws:iam::999988887777:role/longshore-reader"
PLACES = (Grant(bucket="acme", prefix="in/"),)


class _Own:
    async def own_session(self, *, fresh: bool = False) -> Session:
        return Session(access_key_id="AKIAOURS", secret_access_key="ours")


class Bench:
    """Two workspaces of one catalog."""

    def __init__(self, registry: Registry, ids: dict[str, ExternalIds], **settings: Any) -> None:
        self.registry, self.ids = registry, ids
        clock = ManualClock()
        self.sts = FakeSts(clock)
        self.cache = SessionCache(sts=self.sts, limits=Limits(), clock=clock)
        self._own = OwnIdentity(keys=_Own(), limits=Limits(), clock=clock)
        self._settings, self._clock = settings_of(**settings), clock

    async def open(self, workspace: str, *places: Grant) -> Session:
        async def external_id(name: str) -> str:
            return await self.ids[workspace].issue(name, actor="longshore")

        accesses = Accesses(
            registry=self.registry,
            sessions=self.cache,
            own=self._own,
            trust=Trust(registry=self.registry, sts=self.sts, settings=self._settings, clock=self._clock),
            external_ids=external_id,
            settings=self._settings,
        )
        connection = await self.registry.get("default", workspace=workspace)
        return await (await accesses.open(connection, run_id="r1", places=places)).session()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with a_catalog(tmp_path) as database:
        registry = a_registry(database, settings_of(reader_role=READER))
        ids = {name: ExternalIds(database=database, workspace=name) for name in ("main", "blue")}
        made = Bench(registry, ids, reader_role=READER, AWS_REGION="eu-north-1")
        yield made
        await made.cache.aclose()


async def test_each_workspace_reads_as_itself(bench: Bench) -> None:
    for workspace in ("main", "blue"):
        await bench.open(workspace, *PLACES)
    tags = [dict(one.tags) for one in bench.sts.requests]
    assert tags == [
        {WORKSPACE_TAG: await bench.ids["main"].issue("default", actor="alice")},
        {WORKSPACE_TAG: await bench.ids["blue"].issue("default", actor="alice")},
    ]
    assert tags[0] != tags[1]
    for asked in bench.sts.requests:
        assert (asked.role_arn, asked.external_id, asked.region) == (READER, None, "eu-north-1")
        assert asked.policy == SessionPolicy(grants=PLACES, tags=True).render()


async def test_every_workspace_may_name_any_bucket_since_its_policy_decides(bench: Bench) -> None:
    for workspace in ("main", "blue"):
        connection = await bench.registry.get("default", workspace=workspace)
        assert connection.anywhere
        connection.permits("any-bucket", b"x")


async def test_runs_about_different_places_share_no_session(bench: Bench) -> None:
    one = await bench.open("blue", *PLACES)
    other = await bench.open("blue", Grant(bucket="other"))
    assert one.access_key_id != other.access_key_id
    assert (await bench.open("blue", *PLACES)).access_key_id == one.access_key_id
