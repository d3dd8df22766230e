"""The one place where real things are built and joined; everything else receives what it needs."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from config.database import open_database
from config.errors import JobError, LongshoreError
from config.settings import Settings
from credentials.access import Accesses
from credentials.audit import Audit
from credentials.clock import SystemClock
from credentials.connection import Connection
from credentials.events import Event as CredentialEvent
from credentials.external_ids import ExternalIds
from credentials.identity import OwnIdentity
from credentials.references import References
from credentials.registry import Registry
from credentials.resolver import resolve
from credentials.roles import Roles
from credentials.rotation import Secrets
from credentials.secretsmanager import SecretsManager
from credentials.sessions import SessionCache
from credentials.sts import AwsSts
from credentials.tombstones import Tombstones
from credentials.trust import Trust
from credentials.vault import Vault
from ingest.catalog.catalog import Catalog
from ingest.catalog.patience import Patience
from ingest.catalog.retention import Retention
from ingest.catalog.retrying import Retries, What, chosen, usable_job
from ingest.catalog.runs import Run
from ingest.catalog.schedules import Fired, Schedule, Schedules
from ingest.catalog.users import users_in
from ingest.cron import Cron
from ingest.events import Event as IngestEvent
from ingest.extras import Extras, check_extras
from ingest.gate import Gates
from ingest.job import IngestJob
from ingest.probe.content import open_bodies
from ingest.probe.first_ranges import FirstRanges
from ingest.s3.dial import guarding
from ingest.s3.http import open_http
from ingest.s3.regions import Regions
from ingest.work import Worker, no_bell
from worker.presigning import Presigning
from worker.storage import Storage

ObserveAll = Callable[[IngestEvent | CredentialEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """longshore, put together: what the workers, the command line and the tests drive."""

    settings: Settings
    catalog: Catalog
    registry: Registry
    secrets: Secrets
    retries: Retries
    schedules: Schedules
    tombstones: Tombstones
    retention: Retention
    roles: Roles
    external_ids: ExternalIds
    audit: Audit
    trust: Trust
    storage: Storage
    presigning: Presigning
    worker: Worker
    sts: AwsSts

    async def submit(self, job: IngestJob, *, origin: str, job_id: str | None = None) -> tuple[Run, bool]:
        """Check a job against its connection and write its run. Returns it and whether it is new; nothing rings yet.

        Raises UnknownConnectionError, OutOfScopeError or JobConflictError; nothing is written then.
        """
        connection = await self.permitted(job)
        return await self.catalog.create_run(
            job, connection_id=connection.id, connection=connection.name, origin=origin, job_id=job_id
        )

    async def permitted(self, job: IngestJob) -> Connection:
        """The connection of a job, which permits all of its places: the one it names, or else the most specific for them.

        Raises UnknownConnectionError, OutOfScopeError, AmbiguousConnectionError if no one connection is meant, or JobError if it asks
        for copies that the operator does not allow.
        """
        connection = await (self._resolved(job) if job.connection is None else self._named(job, job.connection))
        check_extras(job, connection, sources=job.sources(), targets=self.settings.copy_targets)
        return connection

    async def _named(self, job: IngestJob, name: str) -> Connection:
        connection = await self.registry.get(name, workspace=self.settings.workspace)
        for bucket, keys in job.places():
            connection.permits_all(bucket, keys)
        return connection

    async def _resolved(self, job: IngestJob) -> Connection:
        workspace = self.settings.workspace
        seen = await self.registry.list(workspace=workspace)
        return resolve(seen, list(job.places()), named=job.names_objects, workspace=workspace)

    async def principal(self) -> str:
        """The ARN that customers' policies name: as the operator says, else as STS knows us. Raises CredentialError."""
        if self.settings.principal_arn is not None:
            return self.settings.principal_arn
        identity = await self.sts.identity()
        return identity.role_arn or identity.arn

    async def users(self, connection: Connection) -> Sequence[str]:
        """What uses a connection, a clause for each kind of use; names of other workspaces are not told."""
        return await self.registry.users(connection, users_in(self.settings.workspace))

    async def remove_connection(self, name: str, *, actor: str) -> None:
        """Remove a connection that nothing uses. Raises what `Registry.remove` raises."""
        workspace = self.settings.workspace
        await self.registry.remove(name, users_in(workspace), workspace=workspace, actor=actor)

    async def retry(self, run: Run, *, what: What | None) -> Run:
        """Write a run that tries this one again; nothing rings yet. See `retrying.chosen` for what is tried unless somebody says so.

        Raises RetryRefusedError, and what `permitted` raises; nothing is written then.
        """
        what = chosen(run, what)
        job = usable_job(run).model_copy(update={"connection": run.connection})
        return await self.retries.create(run, what=what, connection_id=(await self.permitted(job)).id)

    async def schedule(self, name: str, job: IngestJob, cron: Cron) -> Schedule:
        """Check a job against its connection and write down when it comes. Raises ScheduleError, and what `permitted` raises."""
        connection = await self.permitted(job)
        return await self.schedules.add(name, job.model_copy(update={"connection": connection.name}), cron)

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


def worker_name() -> str:
    """This process in leases and logs: host, process, and a word of its own, since process numbers come again."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


@asynccontextmanager
async def open_service(
    settings: Settings, *, observe: ObserveAll, ring: Callable[[int], None] = no_bell
) -> AsyncGenerator[Service]:
    """Build everything from the settings, and end it all afterwards. `ring`: see `ingest.work.Worker`. Raises SettingsError or CatalogError."""
    async with AsyncExitStack() as stack:
        vault, limits = Vault.from_settings(settings), settings.limits
        database = await stack.enter_async_context(open_database(settings.catalog_url, silent_s=limits.lease_s / 2))
        patience = Patience(limits=limits, observe=observe)
        catalog = Catalog(database=database, workspace=settings.workspace, limits=limits, patience=patience)
        watched = patience.watching(database)
        retention = Retention(database=watched, workspace=settings.workspace, limits=limits, observe=observe)
        sts = await stack.enter_async_context(
            AwsSts(region=settings.region, endpoint=settings.sts_endpoint, limits=limits)
        )
        external_ids = ExternalIds(database=watched, workspace=settings.workspace)
        references = _references(settings, sts)
        registry = Registry(database=watched, vault=vault, settings=settings, references=references)
        trust = Trust(registry=registry, sts=sts, settings=settings, clock=SystemClock())
        storage = await _open_storage(stack, settings, registry, sts, trust, external_ids, observe)
        worker = Worker(
            owner=worker_name(),
            catalog=catalog,
            storage=storage,
            limits=limits,
            observe=observe,
            ranges=FirstRanges(most_kinds=limits.kinds_learnt),
            bodies=await stack.enter_async_context(open_bodies(limits)),
            extras=Extras(side=storage, targets=settings.copy_targets, limits=limits, copied=catalog.copied),
            ring=ring,
        )
        audit = Audit(database=watched, workspace=settings.workspace)
        yield Service(
            settings=settings,
            catalog=catalog,
            registry=registry,
            secrets=Secrets(database=watched, vault=vault, limits=limits),
            retries=Retries(database=watched, workspace=settings.workspace, limits=limits),
            schedules=Schedules(database=watched, workspace=settings.workspace, limits=limits),
            tombstones=Tombstones(database=watched, workspace=settings.workspace),
            retention=retention,
            roles=Roles(database=watched, settings=settings, workspace=settings.workspace),
            external_ids=external_ids,
            audit=audit,
            trust=trust,
            storage=storage,
            presigning=Presigning(storage=storage, audit=audit, limits=limits),
            worker=worker,
            sts=sts,
        )


def _references(settings: Settings, sts: AwsSts) -> References:
    """What reads secrets that live elsewhere, as our own identity."""
    limits, clock = settings.limits, SystemClock()
    own = OwnIdentity(keys=sts, limits=limits, clock=clock)
    manager = SecretsManager(own=own, region=settings.region, endpoint=settings.secretsmanager_endpoint, limits=limits)
    return References(settings=settings, manager=manager, clock=clock)


async def _open_storage(
    stack: AsyncExitStack,
    settings: Settings,
    registry: Registry,
    sts: AwsSts,
    trust: Trust,
    external_ids: ExternalIds,
    observe: ObserveAll,
) -> Storage:
    """Sessions, sockets and pace, and what joins them."""
    http = await stack.enter_async_context(open_http(settings.limits, settings.transport))
    guarded = await stack.enter_async_context(
        open_http(settings.limits, settings.transport, permit=guarding(settings.opened))
    )

    def observe_credentials(event: CredentialEvent) -> None:
        storage.session_asked(event)
        observe(event)

    sessions = SessionCache(sts=sts, limits=settings.limits, clock=SystemClock(), observe=observe_credentials)
    stack.push_async_callback(sessions.aclose)
    accesses = Accesses(
        registry=registry,
        sessions=sessions,
        own=OwnIdentity(keys=sts, limits=settings.limits, clock=SystemClock()),
        trust=trust,
        external_ids=partial(external_ids.issue, actor="longshore"),
        settings=settings,
    )
    gates = Gates(settings.limits, observe=observe)
    storage = Storage(
        settings=settings,
        registry=registry,
        accesses=accesses,
        http=http,
        guarded=guarded,
        gates=gates,
        regions=Regions(gates=gates, limits=settings.limits, observe=observe),
    )
    return storage


@asynccontextmanager
async def open_sts(settings: Settings) -> AsyncGenerator[AwsSts]:
    """STS alone, without a catalog: for whoever only asks who we are."""
    async with AwsSts(region=settings.region, endpoint=settings.sts_endpoint, limits=settings.limits) as sts:
        yield sts
