"""How each kind of connection to buckets comes to a session, tried step by step: our identity, the role and whom it trusts, or a key."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from config.errors import ConnectionSetupError, CredentialError, IdentityError, LongshoreError
from credentials.arns import partition_of
from credentials.assume import Assumed, AssumeRole, Identity
from credentials.connection import Connection
from credentials.grants import Grant
from credentials.kinds import BucketSpec, DefaultSpec, KeysSpec, RoleSpec
from credentials.ownership import open_roles_in
from credentials.policies.session import SessionPolicy
from credentials.policies.setup import WORKSPACE_TAG, Setup
from credentials.session import Access, Session
from credentials.tags import session_tags, source_identity
from credentials.trust import DENY_ALL
from credentials.windows import STS_LEAST_S
from ingest.check.asking import Held, Skews
from ingest.check.repairs import Repairs
from ingest.check.report import Reason, Step, Taken, failed, passed, untried, warned
from ingest.check.roles import ASSUME, IDENTITY, NO_ID, SESSION_NAME, WRONG_ID, RoleTest, identity, of_key, session_of
from ingest.check.tools import Tools
from ingest.check.waiting import Spreading

KEY: Final = "access key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What came of it."""

    access: Access | None = None
    """None: nothing further can be tried."""
    repairs: Repairs | None = None
    account: str | None = None
    """Of who asks S3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Of one connection, for some places of it."""

    tools: Tools
    connection: Connection
    places: tuple[Grant, ...]
    spreading: Spreading
    skews: Skews
    found: Taken
    """Gets each step when it has been taken."""

    async def open(self) -> Opened:
        spec = self.connection.spec
        if isinstance(spec, KeysSpec):
            return await self._keys(spec)
        self.found.begin(IDENTITY)
        step, own = await identity(self.tools.sts)
        self.found.append(step)
        if own is None:
            names = (ASSUME, NO_ID, WRONG_ID) if isinstance(spec, RoleSpec) else ()
            why = "without an identity of our own, no role can be assumed"
            self.found.extend(untried(name, why) for name in names)
            return Opened()
        if isinstance(spec, RoleSpec):
            return await self._role(spec, own)
        if self.tools.settings.reader_role is not None:
            return await self._reader(self.tools.settings.reader_role, own)
        return await self._own(own)

    async def _role(self, spec: RoleSpec, own: Identity) -> Opened:
        external_id = spec.external_id
        if external_id is None and self.connection.open_to_view:
            what, name = ("connection", self.connection.name) if spec.role is None else ("role", spec.role)
            external_id = await self.tools.external_id(name, what=what)
        setup = self._setup(self._principal(own), spec.partition, external_id=external_id)
        repairs = Repairs(setup=setup, reader=spec.role_arn)
        test = self._test(spec, repairs, own)
        tags = session_tags(self.connection, spec)
        self.found.begin(ASSUME)
        step, assumed = await test.assume(
            self._request(spec.role_arn, spec.external_id, tags, source_identity(self.connection, spec))
        )
        self.found.append(step)
        self.found.begin("probes with another external ID")
        probes = [probe async for probe in self._noted(test.probes(right_works=assumed is not None))]
        if spec.external_id is not None:
            await self._keep(probes)
        return self._with(assumed, repairs, account=spec.role_arn.split(":")[4])

    async def _noted(self, steps: AsyncGenerator[Step]) -> AsyncGenerator[Step]:
        async with aclosing(steps):
            async for step in steps:
                self.found.append(step)
                yield step

    async def _keep(self, probes: list[Step]) -> None:
        """What was seen of the role's trust, as runs look at it. Whose it is not only looks."""
        if not self.connection.own:
            return
        outcomes = [step.outcome for step in probes]
        if "failed" in outcomes or "warning" in outcomes:
            await self.tools.kept.trusts(self.connection, "open")
        elif outcomes == ["passed", "passed"]:
            await self.tools.kept.trusts(self.connection, "safe")

    async def _reader(self, role_arn: str, own: Identity) -> Opened:
        """Our own reader role, as this workspace."""
        tag = await self.tools.external_id(self.connection.name)
        setup = self._setup(role_arn, partition_of(role_arn), method_bucket=True, tag=tag)
        trusting = Repairs(setup=self._setup(self._principal(own), partition_of(role_arn), tags=True), reader=role_arn)
        spec = RoleSpec(
            name=self.connection.name, role_arn=role_arn, scope="bedrock"
        )  # which places, is no matter here
        request = self._request(role_arn, None, ((WORKSPACE_TAG, tag),), None)
        self.found.begin(ASSUME)
        step, assumed = await self._test(spec, trusting, own).assume(request)
        self.found.append(step)
        return self._with(assumed, Repairs(setup=setup, reader=role_arn, kind="own"), account=role_arn.split(":")[4])

    async def _own(self, own: Identity) -> Opened:
        reader = self._principal(own)
        try:
            session = await self.tools.sts.own_session()
        except CredentialError as error:
            self.found.append(failed(KEY, error.message, Reason(why=error.message, target="own")))
            return Opened()
        setup = self._setup(reader, own.arn.split(":")[1], method_bucket=True)
        repairs = Repairs(setup=setup, reader=reader, kind="own")
        return Opened(access=Held(session), repairs=repairs, account=own.account)

    async def _keys(self, spec: KeysSpec) -> Opened:
        self.found.begin(KEY)
        try:
            pair = await self.tools.kept.keys(self.connection)
        except LongshoreError as error:
            self.found.append(failed(KEY, error.message, Reason(why="the secret can't be had", target="own")))
            return Opened()
        session = Session(access_key_id=pair.access_key_id, secret_access_key=pair.secret_access_key)
        user = await self._user(spec, session)
        region = spec.region or self.tools.settings.region
        partition = "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
        account = user.account if user is not None else None
        arn = None if user is None or _is_root(user) else user.arn  # no policy should name the root user
        repairs = Repairs(setup=self._setup(arn, partition), reader=arn, kind="user")
        return Opened(access=Held(session), repairs=repairs, account=account)

    async def _user(self, spec: KeysSpec, session: Session) -> Identity | None:
        """Whose key it is, where AWS can tell."""
        shown = f"…{session.access_key_id[-4:]}" if self.connection.own else "the key"
        settings = self.tools.settings
        if spec.endpoint is not None or (settings.s3_endpoint is not None and settings.sts_endpoint is None):
            self.found.append(
                untried(KEY, f"{shown}: the endpoint is not AWS's; its answers show whether the key is good")
            )
            return None
        try:
            user = await self.tools.sts.identity_of(session, region=spec.region or settings.region)
        except IdentityError as error:
            self.found.append(failed(KEY, f"{shown} is refused ({error.code})", *of_key(error)))
        except CredentialError as error:
            self.found.append(untried(KEY, f"{shown}: STS could not be asked ({error.code})", vital=True))
        else:
            self.found.append(_is_of(user, shown))
            return user
        return None

    def _with(self, assumed: Assumed | None, repairs: Repairs, *, account: str) -> Opened:
        if assumed is None:
            return Opened(repairs=repairs, account=account)
        if assumed.server_time is not None:
            self.skews.note_time("STS", assumed.server_time)
        return Opened(access=Held(session_of(assumed)), repairs=repairs, account=account)

    def _test(self, spec: RoleSpec, repairs: Repairs, own: Identity) -> RoleTest:
        return RoleTest(
            sts=self.tools.sts,
            connection=self.connection,
            spec=spec,
            region=spec.region or self.tools.settings.region,
            repairs=repairs,
            own_arn=own.role_arn or own.arn,
            spreading=self.spreading,
            open_roles=open_roles_in(self.connection.owner, self.tools.settings),
        )

    def _request(
        self, role_arn: str, external_id: str | None, tags: tuple[tuple[str, str], ...], source: str | None
    ) -> AssumeRole:
        """The session of a run, as short as STS gives one. Where no bucket is read, one that may do nothing is enough."""
        spec = self.connection.spec
        region = spec.region if isinstance(spec, BucketSpec) else None
        partition = partition_of(role_arn)
        tagged = isinstance(spec, DefaultSpec) or (isinstance(spec, BucketSpec) and spec.tags)
        narrowed = SessionPolicy(grants=self.places, partition=partition, tags=tagged)
        policy = narrowed.render() if self.places else DENY_ALL
        return AssumeRole(
            role_arn=role_arn,
            session_name=SESSION_NAME,
            duration_s=STS_LEAST_S,
            external_id=external_id,
            policy=policy,
            source_identity=source,
            tags=tags,
            region=region or self.tools.settings.region,
        )

    def _principal(self, own: Identity) -> str:
        return self.tools.settings.principal_arn or own.role_arn or own.arn

    def _setup(
        self,
        principal: str | None,
        partition: str,
        *,
        external_id: str | None = None,
        method_bucket: bool = False,
        tag: str | None = None,
        tags: bool = False,
    ) -> Setup:
        spec = self.connection.spec
        assert isinstance(spec, BucketSpec)
        role = spec if isinstance(spec, RoleSpec) else None
        setup = Setup(
            connection=self.connection.name,
            workspace=self.connection.workspace,
            external_id=external_id,
            grants=self.places,
            partition=partition,
            scope=role.scope if role is not None else "s3",
            method="bucket" if method_bucket else "role",
            versions=spec.versions,
            tags=spec.tags,
            kms_keys=tuple(key for key in spec.kms_keys if partition_of(key) == partition),
            session_tags=tags or (role is not None and role.session_tags),
            role_arn=role.role_arn if role is not None else None,
            workspace_tag=tag,
        )
        try:
            return replace(setup, principal_arn=principal)
        except ConnectionSetupError:  # no policy can name who we are: the root user, or one of another partition
            return setup


def _is_root(user: Identity) -> bool:
    return user.arn.endswith(":root")


def _is_of(user: Identity, shown: str) -> Step:
    seen = f"{shown} is of {user.arn}"
    if not _is_root(user):
        return passed(KEY, seen)
    why = (
        "it is the key of the account's root user, which may do everything and whom no policy of its account limits: delete it, make a "
        "user who may read and nothing else, and give that one's key to `longshore connections update`"
    )
    return warned(KEY, seen, Reason(why=why, target="connection"))
