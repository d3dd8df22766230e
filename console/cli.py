"""The command line: joins the commands, and turns what goes wrong into one paragraph and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import click

from config.errors import LongshoreError
from console.commands.assets import assets
from console.commands.connections import connections
from console.commands.demo import demo
from console.commands.ingest import ingest, submit
from console.commands.runs import runs
from console.commands.worker import whoami, worker

EXIT_STOPPED: Final = 130
"""By the shell's custom: 128 and the number of SIGINT."""
_UNWRITABLE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)
"""What becomes of writing to a full disk, or to a reader that went away."""


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


for _command in (ingest, submit, runs, assets, connections, worker, whoami, demo):
    longshore.add_command(_command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command (`arguments` without the program's name; None: this process's own). Returns the exit code."""
    try:
        code = longshore.main(args=arguments, prog_name="longshore", standalone_mode=False)
    except click.ClickException as error:
        return _refused(error)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return EXIT_STOPPED
    except LongshoreError as error:
        click.echo(f"error: {error.message}", err=True)
        return 1
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        return _unwritable(error)
    return code if isinstance(code, int) else 0


def _refused(error: click.ClickException) -> int:
    """As click tells it, but for its spelling of "error"."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        click.echo(f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n", err=True)
    click.echo(f"error: {error.format_message()}", err=True)
    return error.exit_code


def _unwritable(error: OSError) -> int:
    """Nobody reads on, or there is no room: what is still buffered goes nowhere, so that the end of Python is quiet, too."""
    with suppress(OSError, ValueError):  # in a test it is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno != errno.EPIPE:
        click.echo(f"error: the output can't be written: {error.strerror}", err=True)
    return 1


def main() -> None:
    """The console script."""
    sys.exit(run())
