"""`longshore ingest` works a job here and now; `longshore submit` writes it down and rings for a worker."""

from __future__ import annotations

from typing import Any

import click

from console.asking import in_words_of_options
from console.commands.common import asynchronous, opened, read_settings
from console.commands.jobs import job_of, job_options, ring_for, work_and_tell
from console.show import as_json


@click.command(short_help="Ingest buckets here and now; needs no Redis.")
@job_options
@click.option("--json", "as_object", is_flag=True, help="Print one object, and no progress.")
@asynchronous
async def ingest(connection: str | None, as_object: bool, **fields: Any) -> int:  # noqa: FBT001  click passes by name
    """Ingest everything below each URI, in this process; no Redis is needed.

    \b
    longshore ingest s3://my-bucket
    longshore ingest s3://acme-photos/2026/ --connection acme --include '*.jpg' --json
    longshore ingest --exact s3://acme-photos/2026/a.jpg s3://acme-photos/2026/b.jpg
    longshore ingest https://files.acme.example/media/a.jpg --connection acme-files

    A prefix is a string and not a folder, as with S3 itself: end it with / if you mean a folder. What an earlier `longshore
    ingest` left unfinished goes on first. Ctrl-C finishes what is in hand; `longshore ingest` again goes on from there.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from console.commands.jobs import watched
    from console.local import ORIGIN
    from console.progress import Tally

    settings = read_settings()
    job, tally = job_of(settings, connection, **fields), Tally()
    async with opened(settings, observe=watched(tally)) as service:
        with in_words_of_options():
            run, _ = await service.submit(job, origin=ORIGIN)
        return await work_and_tell(service, run, tally, as_object=as_object)


@click.command(short_help="Write a job down for the workers.")
@job_options
@click.option("--json", "as_object", is_flag=True, help="Print one object: the run's ID by its name.")
@asynchronous
async def submit(connection: str | None, as_object: bool, **fields: Any) -> None:  # noqa: FBT001  click passes by name
    """Write a job down for the workers and print its run ID; takes the same arguments as ingest.

    \b
    run=$(longshore submit s3://acme-photos/2026/ --connection acme)
    longshore runs watch $run

    The run is in the catalog before anything rings: if Redis is down, a worker's sweeper finds it.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    from worker.queue import open_bell

    settings = read_settings()
    job = job_of(settings, connection, **fields)
    # The bell first: an address that can't be used is told before anything is written.
    async with open_bell(settings) as bell, opened(settings) as service:
        with in_words_of_options():
            run, _ = await service.submit(job, origin="queue")
        click.echo(as_json({"run": run.id}) if as_object else run.id)
        await ring_for(bell, run, settings.limits)
