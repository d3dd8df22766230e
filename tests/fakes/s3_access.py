"""An Access that hands out what a test decides, and a bench that puts a client in front of a server with time in the test's hand."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from config.limits import Limits
from credentials.session import Session
from ingest.events import Event, RequestMade
from ingest.gate import Gates
from ingest.s3.client import Location, S3Client
from ingest.s3.dial import Where
from ingest.s3.http import Kind, open_http
from tests.fakes.s3 import FakeS3
from tests.fakes.sts import OPERATOR_KEY, OPERATOR_SECRET, Grant


@dataclass(slots=True)
class Chosen:
    """Which transport the tests at hand run on."""

    kind: Kind = "lean"


chosen = Chosen()
"""Set by the fixture `transport` of the contract tests."""
OPERATOR = Session(access_key_id=OPERATOR_KEY, secret_access_key=OPERATOR_SECRET)


def session_of(grant: Grant) -> Session:
    return Session(
        access_key_id=grant.access_key_id,
        secret_access_key=grant.secret,
        token=grant.token,
        usable_until=grant.expires,
    )


@dataclass(slots=True)
class FakeAccess:
    """Issues a session when it has none; a rejected one is dropped if it is the one in use."""

    issue: Callable[[], Session] = lambda: OPERATOR
    asked: int = 0
    issued: int = 0
    rejected: list[str] = field(default_factory=list)
    _session: Session | None = None

    async def session(self, *, min_remaining_s: float = 0.0) -> Session:
        self.asked += 1
        if self._session is None:
            self.issued += 1
            self._session = self.issue()
        return self._session

    async def reject(self, access_key_id: str) -> None:
        self.rejected.append(access_key_id)
        if self._session is not None and self._session.access_key_id == access_key_id:
            self._session = None

    async def renew(self) -> None:
        self._session = None


def role_access(s3: FakeS3, arn: str = "arn:aws:iam::111122223333:role/reader", **fields: Any) -> FakeAccess:
    """Sessions of a role that may read everything. `fields`: those of `FakeSts.new_session`."""
    role = s3.sts.roles.get(arn) or s3.sts.add_role(arn)
    return FakeAccess(lambda: session_of(s3.sts.new_session(role, **fields)))


@dataclass(slots=True)
class Bench:
    """A client of a fake S3. Pauses are noted, not slept; they move the client's monotonic clock."""

    s3: FakeS3
    client: S3Client
    access: FakeAccess
    pauses: list[float] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    elapsed_s: float = 0.0

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.elapsed_s += seconds

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        """Class and outcome of every attempt."""
        return [(event.request, event.outcome) for event in self.events if isinstance(event, RequestMade)]


async def loopback(host: str, port: int) -> list[Where]:
    """Every name is this machine."""
    del host
    return [Where(socket.AF_INET, "127.0.0.1", port)]


@asynccontextmanager
async def s3_bench(
    s3: FakeS3, *, bucket: str = "bkt", access: FakeAccess | None = None, limits: Limits | None = None, **location: Any
) -> AsyncIterator[Bench]:
    """`location`: fields of Location besides the bucket."""
    limits = limits or Limits(attempts=3)
    access = access or FakeAccess()
    pauses: list[float] = []
    events: list[Event] = []
    bench: Bench | None = None

    async def sleep(seconds: float) -> None:
        assert bench is not None
        await bench.sleep(seconds)

    def monotonic() -> float:
        return bench.elapsed_s if bench is not None else 0.0

    where = Location(**{"bucket": bucket, "region": "us-east-1", "endpoint": s3.url, **location})
    async with open_http(limits, chosen.kind, look_up=loopback) as http:  # names below .s3.test exist only here
        client = S3Client(
            http=http,
            gates=Gates(limits),
            access=access,
            location=where,
            limits=limits,
            observe=events.append,
            clock=s3.now,
            monotonic=monotonic,
            sleep=sleep,
            random=lambda: 0.5,
        )
        bench = Bench(s3=s3, client=client, access=access, pauses=pauses, events=events)
        yield bench
