"""`longshore connections test`: what works, what does not, and what to paste where."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from console.commands.common import actor, asynchronous, opened
from console.show import as_json, harmless

if TYPE_CHECKING:
    from ingest.check.report import Reason, Report, Step

_WIDTH: Final = 100
_MARKS: Final = {"passed": "ok", "failed": "FAILED", "warning": "warning", "not tried": "-"}


def _finite(_context: click.Context, _parameter: click.Parameter, seconds: float | None) -> float | None:
    """Python reads `nan` and `inf` as numbers, and a test would never end."""
    if seconds is not None and not math.isfinite(seconds):
        raise click.BadParameter("a number of seconds is meant, such as 60")
    return seconds


@click.command("test", short_help="Try a connection, and show what to mend.")
@click.argument("name")
@click.option("--uri", metavar="URI", help="Only this place of it: s3://bucket or s3://bucket/prefix/.")
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    callback=_finite,
    help="How long to wait for policies to spread.  [default: 60 for a connection that is new or was just changed, else 0]",
)
@click.option("--json", "as_object", is_flag=True, help="Print one object.")
@click.pass_context
@asynchronous
async def test(context: click.Context, name: str, uri: str | None, wait_s: float | None, as_object: bool) -> None:  # noqa: FBT001  click passes by name
    """Try everything that runs will do with a connection: nothing is written to any bucket.

    Each step says what was seen. What failed says what may be the cause, the likeliest first, and the statement to paste.
    Ends with 0 if the connection can be used, with 1 if not.

    \b
    longshore connections test acme
    longshore connections test default --uri s3://acme-photos/2026/
    longshore connections test acme --json | jq -r .verdict
    """  # noqa: D301  \b is for click, which keeps the lines below it
    async with opened() as service:
        from worker.checking import check_connection, open_tools

        async with open_tools(service, actor=actor()) as tools:
            report = await check_connection(service, tools, name, actor=actor(), uri=uri, wait_s=wait_s, say=_say)
    if as_object:
        click.echo(as_json(report.plain()))
    else:
        for line in lines(report):
            click.echo(line)
    if report.verdict == "failed":
        context.exit(1)


def _say(text: str) -> None:
    click.echo(text, err=True)


def lines(report: Report) -> Iterator[str]:
    """A report for people."""
    for step in report.steps:
        yield from _of_step(step)
    words = {"passed": "can be used", "warning": "can be used, with warnings", "failed": "can't be used as it is"}
    yield f"connection {report.connection} {words[report.verdict]}"


def _of_step(step: Step) -> Iterator[str]:
    head = f"{_MARKS[step.outcome]:<8} {step.name}"
    about = f" {step.about}" if step.about else ""
    yield from _wrapped(f"{head}{about}: {step.seen}", indent=9, first="")
    for number, reason in enumerate(step.reasons, 1):
        label = f"{number}. " if len(step.reasons) > 1 else ""
        yield from _wrapped(f"{label}{reason.why}", indent=9 + len(label), first=" " * 9)
        yield from _repair(reason)


def _repair(reason: Reason) -> Iterator[str]:
    if reason.repair is None:
        return
    what = "put in place of" if reason.is_document else "add to the statements of"
    yield from _wrapped(f"{what} {reason.where}:", indent=12, first=" " * 12)
    for line in json.dumps(reason.repair, indent=2).splitlines():
        yield " " * 12 + line


def _wrapped(text: str, *, indent: int, first: str) -> list[str]:
    """All that is printed of a report comes through here, or is JSON in ASCII: no terminal obeys what a server or a key says."""
    return textwrap.wrap(
        harmless(text),
        _WIDTH,
        initial_indent=first,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
