"""An STS in memory by the manual clock: it answers, refuses, fails or waits, as the test says."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import datetime

from config.errors import CredentialError
from credentials.assume import Assumed, AssumeRole, Identity
from credentials.grants import Grant
from credentials.policies.session import SessionPolicy
from credentials.sessions import SessionSpec
from tests.fakes.clock import ManualClock

POLICY = SessionPolicy(grants=(Grant(bucket="media", prefix="in/"),))


class FakeSts:
    """AWS's clock is the manual clock's monotonic one plus an offset, so that a jump of our wall clock does not move it."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.aws_ahead = clock.now() - clock.monotonic()
        self.tells_time = True
        self.trouble: CredentialError | Exception | None = None
        self.gate: asyncio.Event | None = None
        """While set and not open, answers wait."""
        self.lifetime_s: float | None = None
        """Instead of what is asked for."""
        self.key_id: str | None = None
        """Instead of a new one each time."""
        self.takes_s = 0.0
        self.requests: list[AssumeRole] = []
        self.in_flight = 0
        self.most_in_flight_for_one = 0
        """For one role; `spec` gives each connection and TTL a role of its own."""
        self._roles: Counter[str] = Counter()
        self.ends: dict[str, float] = {}
        """By access key ID, when AWS ends the session, by its own clock, session policy included."""

    @property
    def calls(self) -> int:
        return len(self.requests)

    def aws_now(self) -> float:
        return self.clock.monotonic() + self.aws_ahead

    async def assume(self, request: AssumeRole) -> Assumed:
        self.requests.append(request)
        number = self.calls
        self.in_flight += 1
        self._roles[request.role_arn] += 1
        self.most_in_flight_for_one = max(self.most_in_flight_for_one, self._roles[request.role_arn])
        try:
            if self.gate is not None:
                await self.gate.wait()
            await asyncio.sleep(0)
            self.clock.advance(self.takes_s)
            if self.trouble is not None:
                raise self.trouble
            return self._issue(request, number)
        finally:
            self.in_flight -= 1
            self._roles[request.role_arn] -= 1

    async def identity(self) -> Identity:
        return Identity(account="999988887777", arn="arn:aws:iam::999988887777:user/operator", user_id="AIDA")

    def _issue(self, request: AssumeRole, number: int) -> Assumed:
        lifetime = float(request.duration_s) if self.lifetime_s is None else self.lifetime_s
        key_id = self.key_id or f"ASIA{number:016d}"
        expires = self.aws_now() + lifetime
        self.ends[key_id] = min([expires, *_limits(request.policy)])
        return Assumed(
            access_key_id=key_id,
            secret_access_key="canary-secret",
            token="canary-token",
            expires_at=expires,
            server_time=float(int(self.aws_now())) if self.tells_time else None,
        )


def _limits(policy: str | None) -> list[float]:
    statements = json.loads(policy)["Statement"] if policy else []
    return [
        datetime.fromisoformat(one["Condition"]["DateLessThan"]["aws:CurrentTime"]).timestamp()
        for one in statements
        if "DateLessThan" in one.get("Condition", {})
    ]


def spec(
    ttl_s: int = 3600,
    *,
    connection: str = "studio",
    external_id: str | None = "ext-1",
    policy: SessionPolicy | None = POLICY,
) -> SessionSpec:
    return SessionSpec(
        workspace="main",
        connection_id=f"id-{connection}",
        connection_version=1,
        connection=connection,
        role_arn=f"arn:aws:iam::111122223333:role/{connection}-{ttl_s}",
        external_id=external_id,
        region="us-east-1",
        ttl_s=ttl_s,
        policy=policy,
        session_name="longshore-run-1",
        source_identity=None,
    )


async def settle() -> None:
    """Let every task that can run, run."""
    for _ in range(10):
        await asyncio.sleep(0)
