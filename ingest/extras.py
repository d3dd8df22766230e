"""What a run does with each object besides looking at it: hides how the options of a job become steps, and what forbids them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from config.limits import Limits
from credentials.connection import Connection
from credentials.session import Access
from ingest.catalog.assets import Place
from ingest.catalog.knowing import Copied
from ingest.catalog.runs import Run
from ingest.copy_place import CopyPlace, check_target
from ingest.copying import Copier, Copies
from ingest.events import Observe
from ingest.job import IngestJob, PrefixSource
from ingest.model import Entry
from ingest.once import Once
from ingest.probe.looking import Step
from ingest.tagging import Tagging, Tags, check_tags


class Side(Protocol):
    """What opens buckets for more than reading objects. `worker.storage.Storage` is one."""

    def tags(self, connection: Connection, access: Access, bucket: str, *, observe: Observe) -> Tags: ...

    def copier(self, connection: Connection, access: Access, place: CopyPlace, *, observe: Observe) -> Copier: ...


def check_extras(
    job: IngestJob, connection: Connection, *, sources: Sequence[PrefixSource], targets: Sequence[str]
) -> CopyPlace | None:
    """Where a job's copies go, if it makes some and may; and whether it may ask for its tags. `targets`: where the operator allows
    copies. Raises JobError, OutOfScopeError.
    """
    if job.tags:
        check_tags(connection)
    if job.copy_to is None:
        return None
    return check_target(job.copy_to, connection=connection, sources=sources, targets=targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """Those of one process."""

    side: Side
    targets: Sequence[str]
    limits: Limits
    copied: Callable[[Place, Entry], Awaitable[Copied | None]]
    """Where an earlier run copied an object to."""
    once: Once = field(default_factory=Once)

    def place(self, run: Run, connection: Connection) -> CopyPlace | None:
        """Where a run's copies go, if it makes some; whatever was allowed when it was submitted. Raises as `check_extras`."""
        if run.job is None:
            return None
        return check_extras(run.job, connection, sources=run.sources, targets=self.targets)

    def steps(self, run: Run, connection: Connection, access: Access, observe: Observe, bucket: str) -> list[Step]:
        """For the objects of one source, which lie in this bucket."""
        place, job = self.place(run, connection), run.job
        if job is None or not (job.tags or place):
            return []
        once, spec = self.once.about(run.id), connection.bucket_spec
        tags = self.side.tags(connection, access, bucket, observe=observe)
        steps: list[Step] = []
        if job.tags:
            steps.append(Tagging(tags, bucket=bucket, connection=connection.name, once=once))
        if place is not None:
            steps.append(
                Copies(
                    self.side.copier(connection, access, place, observe=observe),
                    place,
                    tags if spec.tags else None,
                    earlier=partial(self.copied, Place(connection.id, bucket)),
                    bucket=bucket,
                    connection=connection.name,
                    spec=spec,
                    whole_most=self.limits.copy_whole_bytes,
                    denied_most=self.limits.denied_window,
                    once=once,
                )
            )
        return steps


def no_steps(_bucket: str) -> list[Step]:
    """Nothing besides."""
    return []
