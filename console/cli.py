"""The command line: joins the commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from console.commands.assets import assets
from console.commands.audit import audit
from console.commands.connections import connections
from console.commands.decisions import confirm, reject, verify
from console.commands.demo import demo
from console.commands.ingest import ingest, submit
from console.commands.policy import policy
from console.commands.presign import presign
from console.commands.purge import purge
from console.commands.roles import roles
from console.commands.runs import runs
from console.commands.schedules import schedules
from console.commands.secrets import secrets
from console.commands.worker import whoami, worker
from console.running import run_command


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 finished with failed objects, 130 interrupted.",
)
@click.version_option(package_name="longshore", message="%(prog)s %(version)s")
def longshore() -> None:
    """Unload buckets: every object of a customer's bucket becomes one asset record, and stays in step with it.

    \b
    Look around without any account:    longshore demo
    Who AWS thinks you are:             longshore whoami
    Ingest a bucket you may read:       longshore ingest s3://my-bucket/photos/
    """  # noqa: D301  \b is for click, which keeps the lines below it


for _command in (ingest, submit, runs, schedules, assets, connections, roles, policy, secrets, audit):
    longshore.add_command(_command)
for _command in (presign, purge, worker, whoami, demo):
    longshore.add_command(_command)
for _command in (confirm, reject, verify):
    runs.add_command(_command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command (`arguments` without the program's name; None: this process's own). Returns the exit code."""
    return run_command(longshore, arguments)


def main() -> None:
    """The console script."""
    sys.exit(run())
