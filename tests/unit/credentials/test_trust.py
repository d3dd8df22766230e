"""A role is looked at before its first session: whether it lets in whoever knows its ARN."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

import pytest

from config.database import Database
from config.errors import RoleDeniedError, RoleOpenError, StsUnavailableError
from credentials import trust as probes
from credentials.assume import Assumed, AssumeRole, Identity
from credentials.connection import Connection
from credentials.roles import Roles
from credentials.trust import DENY_ALL, WITHOUT, WRONG, Trust
from tests.fakes.clock import ManualClock
from tests.unit.credentials.connections import A_KEY, A_ROLE, BY_ALICE, ROLE, a_catalog, a_registry, settings_of

RIGHT: Final = "ext-1"


class Sts:
    """A customer's role: `lets_in` are the external IDs for which it gives a session; `anyone`: for whichever."""

    def __init__(self) -> None:
        self.asked: list[AssumeRole] = []
        self.lets_in: tuple[str | None, ...] = (RIGHT,)
        self.anyone = False
        self.open_roles: set[str] = set()
        """Those that let anyone in."""
        self.trouble: Exception | None = None
        self.reached, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def assume(self, request: AssumeRole) -> Assumed:
        self.asked.append(request)
        self.reached.set()
        await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        anyone = self.anyone or request.role_arn in self.open_roles
        if not anyone and request.external_id not in self.lets_in:
            raise RoleDeniedError("denied", code="AccessDenied")
        return Assumed(access_key_id="ASIA1", secret_access_key="s", token="t", expires_at=1e12, server_time=None)

    async def identity(self) -> Identity:
        raise AssertionError("nobody asks who we are")


class Bench:
    def __init__(self, database: Database) -> None:
        self.database, self.sts, self.clock = (
            database,
            Sts(),
            ManualClock(time.time()),
        )  # by which the catalog goes, too
        self.registry = a_registry(database)

    def trust(self, **settings: Any) -> Trust:
        return Trust(registry=self.registry, sts=self.sts, settings=settings_of(**settings), clock=self.clock)

    async def role(self, **fields: Any) -> Connection:
        created = await self.registry.create(A_ROLE | fields, **BY_ALICE)
        self.sts.asked.clear()
        return created

    async def now(self) -> Connection:
        return await self.registry.get("acme", workspace="main")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with a_catalog(tmp_path) as database:
        yield Bench(database)


async def test_a_safe_role_refuses_both_probes_and_that_is_kept(bench: Bench) -> None:
    await bench.trust().assure(await bench.role())
    asked = bench.sts.asked
    assert [(one.session_name, one.duration_s, one.role_arn) for one in asked] == [
        (probes.RIGHT, 900, ROLE),
        (WITHOUT, 900, ROLE),
        (WRONG, 900, ROLE),
    ]
    assert [one.external_id for one in asked[:2]] == [RIGHT, None]
    assert asked[2].external_id not in (None, RIGHT)
    now = await bench.now()
    assert (now.trust, now.trust_at is not None, now.version) == ("safe", True, 1)


async def test_the_probes_may_do_nothing_should_they_get_a_session(bench: Bench) -> None:
    await bench.trust().assure(await bench.role())
    for one in bench.sts.asked:
        assert one.policy == DENY_ALL
        assert not one.tags
        assert one.source_identity is None
    (statement,) = json.loads(DENY_ALL)["Statement"]
    assert statement == {"Effect": "Deny", "Action": "*", "Resource": "*"}


@pytest.mark.acceptance("CG-15")
@pytest.mark.parametrize("way", ["no ID", "any ID"])
async def test_a_role_that_lets_anyone_in_is_not_used(bench: Bench, way: str) -> None:
    """Without any ID, as a trust policy without a condition does; or with any, as one that only asks that there is one."""
    if way == "no ID":
        bench.sts.lets_in = (None, RIGHT)
    else:
        real = bench.sts.assume

        async def takes_any_id(request: AssumeRole) -> Assumed:
            bench.sts.anyone = request.external_id is not None
            return await real(request)

        bench.sts.assume = takes_any_id  # type: ignore[method-assign]  # another trust policy
    trust, connection = bench.trust(), await bench.role()
    for _ in range(2):
        with pytest.raises(RoleOpenError, match=r"can be assumed without the right external ID.*policy trust acme"):
            await trust.assure(connection)
    now = await bench.now()
    assert now.trust == "open"
    assert "can be assumed without the right external ID" in now.warnings()[0]


async def test_a_role_that_was_mended_is_taken_up_at_the_next_run(bench: Bench) -> None:
    bench.sts.lets_in = (None, RIGHT)
    trust, connection = bench.trust(), await bench.role()
    with pytest.raises(RoleOpenError):
        await trust.assure(connection)
    bench.sts.lets_in = (RIGHT,)
    await trust.assure(await bench.now())
    assert (await bench.now()).trust == "safe"


@pytest.mark.parametrize("where", ["declared", "allow"])
async def test_a_role_that_is_said_to_ask_for_nothing_is_used_unseen(bench: Bench, where: str) -> None:
    await bench.trust(open_roles=where).assure(await bench.role(external_id=None))
    assert not bench.sts.asked
    assert (await bench.now()).trust is None


async def test_the_operator_may_refuse_all_open_roles(bench: Bench) -> None:
    connection = await bench.role(external_id=None)
    with pytest.raises(RoleOpenError, match="has no external ID, and LONGSHORE_OPEN_ROLES=refuse forbids that"):
        await bench.trust(open_roles="refuse").assure(connection)


async def test_the_operator_may_allow_all_roles_unseen(bench: Bench) -> None:
    bench.sts.anyone = True
    await bench.trust(open_roles="allow").assure(await bench.role())
    assert not bench.sts.asked


async def test_other_kinds_have_no_role_to_look_at(bench: Bench) -> None:
    await bench.trust().assure(await bench.registry.create(A_KEY, **BY_ALICE))
    await bench.trust().assure(await bench.registry.get("default", workspace="main"))
    assert not bench.sts.asked


async def test_while_sts_is_down_nothing_is_known_and_nothing_kept(bench: Bench) -> None:
    bench.sts.trouble = StsUnavailableError("down", code="ServiceUnavailable")
    trust, connection = bench.trust(), await bench.role()
    with pytest.raises(StsUnavailableError) as caught:
        await trust.assure(connection)
    assert caught.value.transient
    assert (await bench.now()).trust is None
    bench.sts.trouble = None
    await trust.assure(connection)
    assert (await bench.now()).trust == "safe"


async def test_a_role_is_looked_at_once_however_many_runs_begin(bench: Bench) -> None:
    trust, connection = bench.trust(), await bench.role()
    bench.sts.gate.clear()
    async with asyncio.TaskGroup() as runs:
        for _ in range(20):
            runs.create_task(trust.assure(connection))
        await bench.sts.reached.wait()
        bench.sts.gate.set()
    assert len(bench.sts.asked) == 3
    await trust.assure(await bench.now())
    assert len(bench.sts.asked) == 3


async def test_a_role_is_looked_at_again_after_a_day(bench: Bench) -> None:
    trust = bench.trust(limits={"trust_s": 86_400})
    await trust.assure(await bench.role())
    seen = await bench.now()
    assert seen.trust_at is not None
    bench.clock.jump(seen.trust_at / 1000 + 86_399 - bench.clock.now())
    await trust.assure(await bench.now())
    assert len(bench.sts.asked) == 3
    bench.clock.jump(2)
    await trust.assure(await bench.now())
    assert len(bench.sts.asked) == 6


async def test_any_change_of_the_connection_forgets_what_was_seen(bench: Bench) -> None:
    trust = bench.trust()
    await trust.assure(await bench.role())
    changed = await bench.registry.update("acme", {"region": "eu-west-1"}, **BY_ALICE)
    assert changed.trust is None
    await trust.assure(changed)
    assert len(bench.sts.asked) == 6
    assert {one.region for one in bench.sts.asked[3:]} == {"eu-west-1"}


async def test_a_change_of_a_shared_role_forgets_it_for_all_its_connections(bench: Bench) -> None:
    roles = Roles(database=bench.database, settings=settings_of(), workspace="main")
    await roles.add({"name": "reader", "role_arn": ROLE, "external_id": RIGHT}, actor="alice")
    fields = {"kind": "aws_role", "role": "reader", "allow": ["s3://acme"], "name": "acme"}
    await bench.trust().assure(await bench.registry.create(fields, **BY_ALICE))
    assert (await bench.now()).trust == "safe"
    await roles.update("reader", {"external_id": "ext-2"}, actor="alice")
    assert (await bench.now()).trust is None


async def test_what_was_seen_of_an_older_version_is_not_written_to_a_newer_one(bench: Bench) -> None:
    connection = await bench.role()
    await bench.registry.update("acme", {"external_id": "ext-2"}, **BY_ALICE)
    await bench.registry.trusts(connection, "safe")
    assert (await bench.now()).trust is None


OPEN: Final = "arn:aws:iam::111122223333:role/open"


async def test_a_verdict_on_one_role_is_never_used_for_another(bench: Bench) -> None:
    """Removed and made anew with a safe role while the open one is looked at: who waited would read through the open one."""
    trust, old = bench.trust(), await bench.role(role_arn=OPEN)
    bench.sts.open_roles = {OPEN}
    bench.sts.gate.clear()
    looking = [asyncio.create_task(trust.assure(old)) for _ in range(3)]
    await bench.sts.reached.wait()
    await bench.registry.remove("acme", **BY_ALICE)
    new = await bench.registry.create(A_ROLE, **BY_ALICE)
    assert new.kept_id == old.kept_id
    bench.sts.gate.set()
    outcomes = await asyncio.gather(*looking, return_exceptions=True)
    assert isinstance(outcomes[0], RoleOpenError)
    for one in outcomes[1:]:
        assert isinstance(one, StsUnavailableError)
        assert (one.code, one.transient) == ("ConnectionChanged", True)
    assert (await bench.now()).trust is None
    await trust.assure(new)
    with pytest.raises(StsUnavailableError, match="got another role meanwhile"):
        await trust.assure(old)
    assert (await bench.now()).trust == "safe"


async def test_a_verdict_with_one_external_id_is_never_used_with_another(bench: Bench) -> None:
    trust, old = bench.trust(), await bench.role()
    await bench.registry.update("acme", {"external_id": "ext-2"}, **BY_ALICE)
    bench.sts.lets_in = ("ext-2",)
    await trust.assure(await bench.now())
    with pytest.raises(StsUnavailableError) as caught:
        await trust.assure(old)
    assert caught.value.code == "ConnectionChanged"


async def test_nothing_is_kept_of_a_role_that_does_not_let_us_in_yet(bench: Bench) -> None:
    """It may not exist: whoever makes it may still make it one that lets anyone in."""
    bench.sts.lets_in = ()
    trust, connection = bench.trust(), await bench.role()
    for _ in range(2):
        with pytest.raises(RoleDeniedError):
            await trust.assure(await bench.now())
        assert (await bench.now()).trust is None
    bench.sts.open_roles = {ROLE}
    with pytest.raises(RoleOpenError):
        await trust.assure(await bench.now())
    with pytest.raises(RoleOpenError):
        await trust.assure(connection)
    assert (await bench.now()).trust == "open"
