"""Runs a command, and turns what goes wrong into one paragraph and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import click

from config.errors import LongshoreError
from console.wrapping import say_wrapped

EXIT_STOPPED: Final = 130
"""By the shell's custom: 128 and the number of SIGINT."""
_UNWRITABLE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)
"""What becomes of writing to a full disk, or to a reader that went away."""


def run_command(root: click.Command, arguments: Sequence[str] | None) -> int:
    """Run `root` with these arguments (None: this process's own). Returns the exit code."""
    try:
        code = root.main(args=arguments, prog_name="longshore", standalone_mode=False)
    except click.ClickException as error:
        return _refused(error)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return EXIT_STOPPED
    except LongshoreError as error:
        say_wrapped(f"error: {error.message}")
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
    say_wrapped(f"error: {error.format_message()}")
    return error.exit_code


def _unwritable(error: OSError) -> int:
    """Nobody reads on, or there is no room: what is still buffered goes nowhere, so that the end of Python is quiet, too."""
    with suppress(OSError, ValueError):  # in a test it is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno != errno.EPIPE:
        click.echo(f"error: the output can't be written: {error.strerror}", err=True)
    return 1
