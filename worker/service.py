"""The one place where real things are built and joined; everything else receives what it needs."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from config.database import open_database
from config.errors import JobError, LongshoreError
from config.settings import Settings
from credentials.access import Accesses
from credentials.clock import SystemClock
from credentials.connection import Connection
from credentials.events import Event as CredentialEvent
from credentials.events import SessionRefreshed
from credentials.identity import OwnIdentity
from credentials.registry import Registry
from credentials.session import Access
from credentials.sessions import SessionCache, session_name
from credentials.sts import AwsSts
from credentials.tombstones import Tombstones
from credentials.vault import Vault
from ingest.catalog.catalog import Catalog
from ingest.catalog.patience import Patience
from ingest.catalog.retention import Retention
from ingest.catalog.retrying import Retries, What, chosen, usable_job
from ingest.catalog.runs import Run
from ingest.catalog.schedules import Fired, Schedule, Schedules
from ingest.cron import Cron
from ingest.events import Event as IngestEvent
from ingest.events import Observe
from ingest.gate import Gates
from ingest.job import IngestJob
from ingest.s3.client import Location, S3Client
from ingest.s3.http import open_http
from ingest.s3.transport import Transport
from ingest.work import Worker, no_bell

ObserveAll = Callable[[IngestEvent | CredentialEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """longshore, put together: what the workers, the command line and the tests drive."""

    settings: Settings
    catalog: Catalog
    registry: Registry
    retries: Retries
    schedules: Schedules
    tombstones: Tombstones
    retention: Retention
    worker: Worker
    sts: AwsSts

    async def submit(self, job: IngestJob, *, origin: str, job_id: str | None = None) -> tuple[Run, bool]:
        """Check a job against its connection and write its run. Returns it and whether it is new; nothing rings yet.

        Raises UnknownConnectionError, OutOfScopeError or JobConflictError; nothing is written then.
        """
        connection = await self.permitted(job)
        return await self.catalog.create_run(job, connection_id=connection.id, origin=origin, job_id=job_id)

    async def permitted(self, job: IngestJob) -> Connection:
        """The connection of a job, which permits all of its places. Raises UnknownConnectionError or OutOfScopeError."""
        connection = await self.registry.get(job.connection, workspace=self.settings.workspace)
        for source in job.sources():
            connection.permits(source.bucket, source.prefix)
        return connection

    async def retry(self, run: Run, *, what: What | None) -> Run:
        """Write a run that tries this one again; nothing rings yet. See `retrying.chosen` for what is tried unless somebody says so.

        Raises RetryRefusedError, and what `permitted` raises; nothing is written then.
        """
        what, job = chosen(run, what), usable_job(run)
        return await self.retries.create(run, what=what, connection_id=(await self.permitted(job)).id)

    async def schedule(self, name: str, job: IngestJob, cron: Cron) -> Schedule:
        """Check a job against its connection and write down when it comes. Raises ScheduleError, and what `permitted` raises."""
        await self.permitted(job)
        return await self.schedules.add(name, job, cron)

    async def due(self) -> list[Schedule]:
        """See `Schedules.due`."""
        return await self.schedules.due()

    async def fire(self, schedule: Schedule) -> Fired | None:
        """Make the run of a schedule that is due; a failed one if its job can't be used any more. See `Schedules.fire`."""
        try:
            found: str | LongshoreError = (await self.permitted(_job_of(schedule))).id
        except LongshoreError as error:
            if error.transient:
                raise
            found = error
        return await self.schedules.fire(schedule, found)

    async def fire_now(self, name: str) -> Fired:
        """Make a run of a schedule whatever the time is. Raises ScheduleError, JobError, and what `permitted` raises."""
        schedule, _ = await self.schedules.get(name)
        return await self.schedules.run_now(name, (await self.permitted(_job_of(schedule))).id)

    async def refuse(
        self, error: LongshoreError, *, connection: str = "", origin: str, job_id: str | None = None
    ) -> Run:
        """Write down a job that can't be used, as a failed run with the reason."""
        return await self.catalog.create_failed_run(error, connection=connection, origin=origin, job_id=job_id)


def _job_of(schedule: Schedule) -> IngestJob:
    if schedule.job is None:
        raise JobError(
            f"the job of schedule {schedule.name!r} was written by another version of longshore, and this one can't read it; "
            "remove the schedule and add it anew"
        )
    return schedule.job


class _Storage:
    """Connections, sessions and buckets of one workspace, as `ingest.work` asks for them."""

    def __init__(
        self, *, settings: Settings, registry: Registry, accesses: Accesses, http: Transport, gates: Gates
    ) -> None:
        self._settings, self._registry, self._accesses = settings, registry, accesses
        self._http, self._gates = http, gates
        self._sts_asked: OrderedDict[str, Callable[[], None]] = OrderedDict()
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        """By connection, as long as somebody reads through it."""

    async def connection(self, name: str) -> Connection:
        return await self._registry.get(name, workspace=self._settings.workspace)

    async def access(self, connection: Connection, *, run_id: str, sts_asked: Callable[[], None]) -> Access:
        self._sts_asked[session_name(run_id)] = sts_asked
        self._sts_asked.move_to_end(session_name(run_id))
        if len(self._sts_asked) > self._settings.limits.sessions:
            self._sts_asked.popitem(last=False)
        return await self._accesses.open(connection, run_id=run_id)

    def bucket(self, connection: Connection, access: Access, bucket: str, *, observe: Observe) -> S3Client:
        location = Location(
            bucket=bucket,
            region=connection.spec.region or self._settings.region,
            endpoint=self._settings.s3_endpoint,
            requester_pays=connection.spec.requester_pays,
            expected_owner=connection.spec.expected_owner,
        )
        limits = self._settings.limits
        share = self._shares.get(connection.id)
        if share is None:
            share = self._shares[connection.id] = asyncio.Semaphore(limits.requests_per_connection)
        return S3Client(
            http=self._http,
            gates=self._gates,
            access=access,
            location=location,
            limits=limits,
            share=share,
            observe=observe,
        )

    def session_asked(self, event: CredentialEvent) -> None:
        """A session carries its run in its name, so what STS is asked for is metered on the run."""
        if isinstance(event, SessionRefreshed) and (asked := self._sts_asked.get(event.session_name)):
            asked()


def worker_name() -> str:
    """This process in leases and logs: host, process, and a word of its own, since process numbers come again."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


@asynccontextmanager
async def open_service(
    settings: Settings, *, observe: ObserveAll, ring: Callable[[int], None] = no_bell
) -> AsyncGenerator[Service]:
    """Build everything from the settings, and end it all afterwards. `ring`: see `ingest.work.Worker`. Raises SettingsError or CatalogError."""
    async with AsyncExitStack() as stack:
        vault = Vault.from_settings(settings)
        database = await stack.enter_async_context(
            open_database(settings.catalog_url, silent_s=settings.limits.lease_s / 2)
        )
        patience = Patience(limits=settings.limits, observe=observe)
        catalog = Catalog(database=database, workspace=settings.workspace, limits=settings.limits, patience=patience)
        watched = patience.watching(database)
        registry = Registry(database=watched, vault=vault, settings=settings)
        retention = Retention(database=watched, workspace=settings.workspace, limits=settings.limits, observe=observe)
        sts = await stack.enter_async_context(
            AwsSts(region=settings.region, endpoint=settings.sts_endpoint, limits=settings.limits)
        )
        own = OwnIdentity(keys=sts, limits=settings.limits, clock=SystemClock())
        http = await stack.enter_async_context(open_http(settings.limits, settings.transport))
        gates = Gates(settings.limits, observe=observe)

        def observe_credentials(event: CredentialEvent) -> None:
            storage.session_asked(event)
            observe(event)

        sessions = SessionCache(sts=sts, limits=settings.limits, clock=SystemClock(), observe=observe_credentials)
        stack.push_async_callback(sessions.aclose)
        accesses = Accesses(registry=registry, sessions=sessions, own=own, settings=settings)
        storage = _Storage(settings=settings, registry=registry, accesses=accesses, http=http, gates=gates)
        worker = Worker(
            owner=worker_name(),
            catalog=catalog,
            storage=storage,
            limits=settings.limits,
            observe=observe,
            ring=ring,
        )
        yield Service(
            settings=settings,
            catalog=catalog,
            registry=registry,
            retries=Retries(database=watched, workspace=settings.workspace, limits=settings.limits),
            schedules=Schedules(database=watched, workspace=settings.workspace, limits=settings.limits),
            tombstones=Tombstones(database=watched, workspace=settings.workspace),
            retention=retention,
            worker=worker,
            sts=sts,
        )


@asynccontextmanager
async def open_sts(settings: Settings) -> AsyncGenerator[AwsSts]:
    """STS alone, without a catalog: for whoever only asks who we are."""
    async with AwsSts(region=settings.region, endpoint=settings.sts_endpoint, limits=settings.limits) as sts:
        yield sts
