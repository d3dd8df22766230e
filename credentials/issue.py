"""Hides what is asked of STS for one session, and how long the answer may be used."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import astuple, dataclass, field, fields

from config.errors import StsUnavailableError
from credentials.assume import Assumed, AssumeRole, Sts
from credentials.clock import Clock
from credentials.policies.session import SessionPolicy, render_time_limit
from credentials.session import Session
from credentials.windows import LEAST_LIFE_S, STS_LEAST_S, Life, Random

_SLACK_S = 5.0
"""How much later than us AWS ends a short session: its answers tell the time to the second, and take some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpec:
    """Everything that shapes a session. Two specs share a session only if all of it is the same."""

    workspace: str
    connection_id: str
    connection_version: int
    connection: str
    """Its name, for events and messages."""
    role_arn: str
    external_id: str | None
    region: str
    """Whose STS is asked."""
    ttl_s: int
    """60..3,600: the longest that a session is used."""
    policy: SessionPolicy | None
    """As a template: the time that a short TTL writes into it does not make another session. None narrows nothing."""
    session_name: str
    source_identity: str | None
    tags: tuple[tuple[str, str], ...] = ()
    """Session tags."""
    key: str = field(init=False, repr=False, compare=False)
    """A digest of all the above."""

    def __post_init__(self) -> None:
        shape = [getattr(self, one.name) for one in fields(self) if one.name not in {"policy", "key"}]
        template = None if self.policy is None else astuple(self.policy)
        digest = hashlib.sha256(json.dumps([*shape, template]).encode()).hexdigest()
        object.__setattr__(self, "key", digest)


def session_name(run_id: str) -> str:
    """The name by which the customer's CloudTrail shows what a run did: as AssumeRole takes it, of 2..64 characters."""
    name = "longshore-" + re.sub(r"[^A-Za-z0-9_+=,.@-]", "-", run_id)
    if len(name) <= 64 and name.endswith(run_id):
        return name
    return f"{name[:51]}-{hashlib.sha256(run_id.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A session with its life."""

    session: Session
    life: Life


class Issuer:
    """Asks STS for one session at a time; remembers how far AWS's clock is from ours."""

    def __init__(self, *, sts: Sts, clock: Clock, random: Random) -> None:
        self._sts = sts
        self._clock = clock
        self._random = random
        self._aws_ahead: float | None = None
        """AWS's Unix time less our monotonic clock, as last seen; the wall clock is believed until then."""

    async def issue(self, spec: SessionSpec) -> Held:
        """A new session, used for the TTL at most. Raises CredentialError.

        A TTL that STS does not issue is enforced by the session policy, by AWS's clock. Where ours turns out to be so far behind
        that this session has ended before it began, it is asked for once more.
        """
        held = await self._ask(spec)
        if held is None and spec.ttl_s < STS_LEAST_S:
            held = await self._ask(spec)
        if held is None:
            raise StsUnavailableError(
                f"STS gave a session of {spec.role_arn} that has already ended; check this machine's clock",
                code="EndedSession",
            )
        return held

    async def _ask(self, spec: SessionSpec) -> Held | None:
        clock = self._clock
        sent = clock.monotonic()
        wall_ahead = clock.now() - sent
        not_after = None
        if spec.ttl_s < STS_LEAST_S:
            not_after = sent + (wall_ahead if self._aws_ahead is None else self._aws_ahead) + spec.ttl_s + _SLACK_S
        assumed = await self._sts.assume(_request(spec, not_after))
        if assumed.server_time is not None:
            self._aws_ahead = assumed.server_time - clock.monotonic()
        aws_now = assumed.server_time if assumed.server_time is not None else sent + wall_ahead
        lifetime = assumed.expires_at - aws_now
        if not_after is not None and self._aws_ahead is not None:
            lifetime = min(lifetime, not_after - (sent + self._aws_ahead))
        if not lifetime >= LEAST_LIFE_S:  # a NaN is not, either
            return None
        usable = min(lifetime, float(spec.ttl_s))
        life = Life.of(start=sent, seconds=usable, random=self._random)
        return Held(session=_session(assumed, usable_until=clock.now() + life.end - clock.monotonic()), life=life)


def _request(spec: SessionSpec, not_after: float | None) -> AssumeRole:
    policy = spec.policy.render(not_after=not_after) if spec.policy else None
    if policy is None and not_after is not None:
        policy = render_time_limit(not_after)
    return AssumeRole(
        role_arn=spec.role_arn,
        session_name=spec.session_name,
        duration_s=max(STS_LEAST_S, spec.ttl_s),
        external_id=spec.external_id,
        policy=policy,
        source_identity=spec.source_identity,
        tags=spec.tags,
        region=spec.region,
    )


def _session(assumed: Assumed, *, usable_until: float) -> Session:
    return Session(
        access_key_id=assumed.access_key_id,
        secret_access_key=assumed.secret_access_key,
        token=assumed.token,
        usable_until=usable_until,
    )
