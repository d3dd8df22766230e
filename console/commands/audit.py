"""`longshore audit`: who did what, and when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from console.commands.common import asynchronous, opened
from console.show import as_json, iso, shown, table

if TYPE_CHECKING:
    from credentials.audit import Line

_WIDTH: Final = 100
"""Of a table, in characters; `--json` has details whole."""
_DETAIL: Final = 20
"""Characters of a line's details, in any case."""
_WHATS: Final = ("connection", "role")
ACTIONS: Final = (
    *("created", "updated", "removed", "revived", "resealed", "tested", "presigned", "external ID issued"),
)
_MASKED: Final = "access_key_id"


@click.command(short_help="Show who did what to connections and roles.")
@click.option("--on", metavar="WHAT", help="Only what was done to this, as connection:acme or role:acme-reader.")
@click.option("--action", metavar="ACTION", help=f"Only this: {', '.join(ACTIONS)}.")
@click.option("--since", metavar="TIME", help="From then on: 2026-11-01, or 2026-11-01T12:00 (UTC unless it says).")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, metavar="N", help="The newest so many.")
@click.option("--json", "as_lines", is_flag=True, help="One object a line, with all details.")
@asynchronous
async def audit(on: str | None, action: str | None, since: str | None, limit: int, as_lines: bool) -> None:  # noqa: FBT001  click passes by name
    """Show who did what, the newest last. Lines are only ever added: the database itself refuses to change one.

    \b
    longshore audit
    longshore audit --on connection:acme --since 2026-11-01
    longshore audit --action removed --json | jq -r '.actor + " " + .object'
    """  # noqa: D301  \b is for click, which keeps the lines below it
    if on is not None and on.partition(":")[0] not in _WHATS:
        raise click.UsageError(
            f"--on takes {' or '.join(f'{what}:NAME' for what in _WHATS)}; did you mean connection:{on}?"
        )
    if action is not None and action not in ACTIONS:
        raise click.UsageError(f"nothing is ever {action!r}; --action takes {', '.join(ACTIONS)}")
    start = None if since is None else _milliseconds(since)
    async with opened() as service:
        lines = await service.audit.lines(limit=limit, since=start, on=on, action=action)
    if as_lines:
        for line in lines:
            click.echo(as_json(_record(line)))
        return
    if not lines:
        click.echo("nothing was done that fits")
        return
    heads = [((iso(line.at) or "")[:19], line.actor, line.action, line.object) for line in lines]
    titles = ("at", "by", "action", "on")
    taken = sum(max(map(len, column)) + 2 for column in zip(titles, *heads, strict=True))
    room = max(_DETAIL, _WIDTH - taken)
    rows = ((*head, _detail(line, room)) for head, line in zip(heads, lines, strict=True))
    for text in table((*titles, "details"), rows):
        click.echo(text)


def _milliseconds(text: str) -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"--since takes a day or a time, as 2026-11-01 or 2026-11-01T12:00, not {text!r}"
        ) from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)


def _record(line: Line) -> dict[str, object]:
    return {
        "number": line.number,
        "at": iso(line.at),
        "workspace": line.workspace,
        "actor": line.actor,
        "action": line.action,
        "object": line.object,
        "detail": _masked(line.detail),
    }


def _detail(line: Line, most: int) -> str:
    """What changed, or else what it is by then."""
    text = ", ".join(line.detail["changed"]) if "changed" in line.detail else as_json(_masked(line.detail))
    text = shown(text) if line.detail else "-"
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _masked(value: Any) -> Any:
    """An access key's ID by its last four characters, as `longshore connections show` has it."""
    if isinstance(value, dict):
        return {
            name: f"…{one[-4:]}" if name == _MASKED and isinstance(one, str) else _masked(one)
            for name, one in value.items()
        }
    return value
