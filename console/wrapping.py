"""Hides how wide a terminal is: what is said to people is wrapped there, and stays on one line for programs."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TextIO

import click


def wrapped(text: str, width: int | None, *, indent: int = 0) -> str:
    """`text` in lines of no more than `width` characters; words (and so names, addresses, places) stay whole. None: as it is."""
    if width is None:
        return text
    return "\n".join(
        line
        for part in text.splitlines() or [""]
        for line in textwrap.wrap(
            part,
            max(width, indent + 20),
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        or [""]
    )


def say_wrapped(text: str, *, indent: int = 0) -> None:
    """To standard error: wrapped where that is a terminal, on one line where it is not."""
    click.echo(wrapped(text, _width(sys.stderr), indent=indent), err=True)


def echo_wrapped(text: str) -> None:
    """The same, to standard output."""
    click.echo(wrapped(text, _width(sys.stdout)))


def _width(stream: TextIO) -> int | None:
    return shutil.get_terminal_size().columns if stream.isatty() else None
