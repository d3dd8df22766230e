"""Schedules: jobs that come again. Hides that several sweepers look at once, and that nobody may have looked for a while."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from config.database import Database, alone, db_now
from config.errors import LongshoreError, ScheduleError
from config.limits import Limits
from ingest.catalog import runs
from ingest.catalog.runs import Run
from ingest.catalog.tables import runs as run_table
from ingest.catalog.tables import schedules as table
from ingest.cron import Cron
from ingest.job import IngestJob

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_MOST_COUNTED: Final = 1_000
"""Times that passed unseen; beyond, nobody needs to know how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A job and when it comes, as the catalog has it."""

    id: str
    name: str
    connection: str
    job: IngestJob | None
    """None if another version wrote it and this one can't read it."""
    cron: Cron
    paused: bool
    due_at: int
    missed: int
    """Times without a run of their own, since its last run was made or just before: nobody looked, or its last run still waited."""
    last_run_id: str | None
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """What became of a time of a schedule."""

    schedule: Schedule
    """As it is afterwards."""
    run: Run
    """The one that was made, or the one that still waits."""
    new: bool


class Schedules:
    """The schedules of one workspace."""

    def __init__(self, *, database: Database, workspace: str, limits: Limits) -> None:
        self._database, self._workspace, self._limits = database, workspace, limits

    async def add(self, name: str, job: IngestJob, cron: Cron) -> Schedule:
        """Raises ScheduleError if the name can't be used or is taken, or there are too many."""
        if not _NAME.fullmatch(name):
            raise ScheduleError(
                f"{name[:80]!a} is no name for a schedule: it must have 1 to 63 lower-case letters, digits, - and _, "
                "and begin with a letter or a digit"
            )

        def add(tx: sa.Connection) -> Schedule:
            alone(tx)
            self._check_room(tx, name)
            tx.execute(
                sa.insert(table).values(
                    id=f"{name}-{secrets.token_hex(3)}",
                    workspace=self._workspace,
                    name=name,
                    connection=job.connection,
                    job=job.model_dump_json(),
                    cron=cron.text,
                    timezone=cron.timezone,
                    paused=0,
                    missed=0,
                    due_at=cron.after(_now(tx)),
                    created_at=db_now(),
                )
            )
            return self._get(tx, name)

        return await self._database.transaction(add)

    async def all(self) -> list[tuple[Schedule, Run | None]]:
        """By name, each with its last run, which may be gone."""
        query = sa.select(table).where(table.c.workspace == self._workspace).order_by(table.c.name)
        return await self._database.read(
            lambda tx: [self._with_run(tx, _schedule(row)) for row in tx.execute(query).all()]
        )

    async def get(self, name: str) -> tuple[Schedule, Run | None]:
        """Raises ScheduleError."""
        return await self._database.read(lambda tx: self._with_run(tx, self._get(tx, name)))

    async def pause(self, name: str) -> Schedule:
        """It makes no runs until it is resumed. Raises ScheduleError if there is none."""

        def pause(tx: sa.Connection) -> Schedule:
            alone(tx)
            return self._changed(tx, self._get(tx, name), paused=1)

        return await self._database.transaction(pause)

    async def resume(self, name: str) -> Schedule:
        """It is due at the next time from now; what passed meanwhile is not made up for. Raises ScheduleError if there is none."""

        def resume(tx: sa.Connection) -> Schedule:
            alone(tx)
            present = self._get(tx, name)
            if not present.paused:
                return present
            return self._changed(tx, present, paused=0, due_at=present.cron.after(_now(tx)))

        return await self._database.transaction(resume)

    async def remove(self, name: str) -> None:
        """Its runs stay, and go on. Raises ScheduleError if there is none."""

        def remove(tx: sa.Connection) -> None:
            alone(tx)
            tx.execute(sa.delete(table).where(table.c.id == self._get(tx, name).id))

        await self._database.transaction(remove)

    async def due(self) -> list[Schedule]:
        """Those whose time has come, by the database's clock, the longest due first."""
        query = sa.select(table).where(
            table.c.due_at <= db_now(), table.c.workspace == self._workspace, table.c.paused == 0
        )
        return await self._database.read(
            lambda tx: [_schedule(row) for row in tx.execute(query.order_by(table.c.due_at)).all()]
        )

    async def fire(self, schedule: Schedule, found: str | LongshoreError) -> Fired | None:
        """Make the run of a schedule that is due, unless its last one still waits; None if somebody else did, or it is due no more.

        `found`: its connection's ID, or why the job can't be used, which makes a failed run. Either way the next time is due then.
        """

        def fire(tx: sa.Connection) -> Fired | None:
            alone(tx)
            row = tx.execute(sa.select(table).where(table.c.id == schedule.id)).one_or_none()
            now = _now(tx)
            if row is None or row.paused or row.due_at > now:
                return None
            present = _schedule(row)
            try:
                times = present.cron.passed(present.due_at, now, most=_MOST_COUNTED)
                due_at = present.cron.after(now)
            except ScheduleError as error:  # written by another version, or on a machine that knows more zones
                run = self._make(tx, present, error)
                return Fired(schedule=self._changed(tx, present, paused=1, last_run_id=run.id), run=run, new=True)
            if (waiting := self._waiting(tx, present)) is not None:
                later = self._changed(tx, present, due_at=due_at, missed=present.missed + times)
                return Fired(schedule=later, run=waiting, new=False)
            run = self._make(tx, present, found)
            later = self._changed(tx, present, due_at=due_at, last_run_id=run.id, missed=times - 1)
            return Fired(schedule=later, run=run, new=True)

        return await self._database.transaction(fire)

    async def run_now(self, name: str, connection_id: str) -> Fired:
        """Make a run whatever the time is, unless the last one still waits. Raises ScheduleError if there is no such schedule."""

        def run_now(tx: sa.Connection) -> Fired:
            alone(tx)
            present = self._get(tx, name)
            waiting = self._waiting(tx, present)
            run = waiting or self._make(tx, present, connection_id)
            return Fired(schedule=self._changed(tx, present, last_run_id=run.id), run=run, new=waiting is None)

        return await self._database.transaction(run_now)

    def _make(self, tx: sa.Connection, schedule: Schedule, found: str | LongshoreError) -> Run:
        if isinstance(found, LongshoreError) or schedule.job is None:
            return runs.create_failed(
                tx,
                workspace=self._workspace,
                connection=schedule.connection,
                origin="queue",
                job_id=None,
                schedule_id=schedule.id,
                error=found if isinstance(found, LongshoreError) else ScheduleError(),
            )
        run, _ = runs.create(
            tx,
            workspace=self._workspace,
            connection_id=found,
            job=schedule.job,
            origin="queue",
            schedule_id=schedule.id,
        )
        return run

    def _waiting(self, tx: sa.Connection, schedule: Schedule) -> Run | None:
        """Its last run, if nobody has begun to work on it. None of its earlier ones waits, else the last one would not be."""
        run = self._last(tx, schedule)
        return run if run is not None and run.state == "queued" else None

    def _last(self, tx: sa.Connection, schedule: Schedule) -> Run | None:
        query = sa.select(run_table.c.id).where(run_table.c.id == schedule.last_run_id)
        run_id = tx.execute(query).scalar_one_or_none()
        return None if run_id is None else runs.get(tx, self._workspace, run_id)

    def _with_run(self, tx: sa.Connection, schedule: Schedule) -> tuple[Schedule, Run | None]:
        return schedule, self._last(tx, schedule)

    def _check_room(self, tx: sa.Connection, name: str) -> None:
        if self._row(tx, name) is not None:
            raise ScheduleError(
                f"workspace {self._workspace!r} has a schedule {name!r} already; choose another name, or remove that one: "
                f"`longshore schedules remove {name}`"
            )
        here = sa.select(sa.func.count()).where(table.c.workspace == self._workspace)
        if tx.execute(here).scalar_one() >= self._limits.schedules:
            raise ScheduleError(
                f"workspace {self._workspace!r} has {self._limits.schedules} schedules, and may have no more; "
                "remove one, or raise LONGSHORE_LIMITS__SCHEDULES"
            )

    def _row(self, tx: sa.Connection, name: str) -> sa.Row[Any] | None:
        query = sa.select(table).where(table.c.workspace == self._workspace, table.c.name == name)
        return tx.execute(query).one_or_none()

    def _get(self, tx: sa.Connection, name: str) -> Schedule:
        row = self._row(tx, name)
        if row is None:
            raise ScheduleError(
                f"there is no schedule {name[:80]!a} in workspace {self._workspace!r}; `longshore schedules list` names them"
            )
        return _schedule(row)

    def _changed(self, tx: sa.Connection, schedule: Schedule, **values: Any) -> Schedule:
        tx.execute(sa.update(table).where(table.c.id == schedule.id).values(values))
        return self._get(tx, schedule.name)


def _now(tx: sa.Connection) -> int:
    return tx.execute(sa.select(db_now())).scalar_one()


def _schedule(row: sa.Row[Any]) -> Schedule:
    return Schedule(
        id=row.id,
        name=row.name,
        connection=row.connection,
        job=IngestJob.kept(row.job),
        cron=Cron(row.cron, row.timezone),
        paused=bool(row.paused),
        due_at=row.due_at,
        missed=row.missed,
        last_run_id=row.last_run_id,
        created_at=row.created_at,
    )
