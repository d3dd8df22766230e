"""`longshore assets`: the records, as lines for people or objects for programs, in bounded memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import click

from console.beside import sidecar_records
from console.commands.common import asynchronous, opened
from console.commands.duplicates import show_duplicates
from console.show import as_json, asset_record, shown, shown_key

if TYPE_CHECKING:
    from ingest.job import PrefixSource
    from worker.service import Service

_PAGE: Final = 1000
STATES: Final = ("present", "archived", "missing", "removed", "failed")


@click.command(short_help="List asset records.")
@click.option("--connection", metavar="NAME", help="Only what this connection found, even if it was removed since.")
@click.option("--prefix", metavar="URI", help="Only below s3://bucket, s3://bucket/prefix or https://host/path.")
@click.option("--state", type=click.Choice(STATES), help="Only assets in this state.")
@click.option(
    "--versions", is_flag=True, help="Also records of versions, the latest first, as --versions all finds them."
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="No more than this many.")
@click.option(
    "--duplicates", is_flag=True, help="Groups of objects with the same content; those that waste most first."
)
@click.option(
    "--no-sidecars", is_flag=True, help="With --json: leave out the JSON and text that stand beside each object."
)
@click.option("--json", "as_lines", is_flag=True, help="One object a line, with everything that is known.")
@asynchronous
async def assets(
    connection: str | None,
    prefix: str | None,
    state: str | None,
    versions: bool,  # noqa: FBT001  click passes by name
    limit: int | None,
    duplicates: bool,  # noqa: FBT001  click passes by name
    no_sidecars: bool,  # noqa: FBT001  click passes by name
    as_lines: bool,  # noqa: FBT001  click passes by name
) -> None:
    """List asset records, one per object, in the order of bucket and key; with --versions also one per version.

    With --json, depth content, and a.json or a.jpg.txt beside a.jpg: what those say is shown with it, as its sidecars.

    \b
    longshore assets --prefix s3://acme-photos/2026/ --state present
    longshore assets --prefix s3://acme-photos/2026/cover.jpg --versions
    longshore assets --connection acme --json | jq -r .content_type | sort | uniq -c
    longshore assets --duplicates --limit 20
    """  # noqa: D301  \b is for click, which keeps the lines below it
    where = _source(prefix)
    if duplicates and (state is not None or versions):
        raise click.UsageError(
            "duplicates are looked for among objects that are there: leave out --state and --versions"
        )
    async with opened() as service:
        names = await _connections(service, connection)
        if duplicates:
            await show_duplicates(service, names, where, limit=limit, as_lines=as_lines)
            return
        beside = as_lines and not no_sidecars
        async with aclosing(_rows(service, list(names), where, state, versions=versions, beside=beside)) as rows:
            left = limit
            async for row in rows:
                name = names[row["connection_id"]]
                click.echo(_json_line(service, name, row) if as_lines else _line(name, row))
                if left is not None and (left := left - 1) == 0:
                    break


def _source(prefix: str | None) -> PrefixSource | None:
    from ingest.job import PrefixSource
    from ingest.naming import is_web, parse_web

    try:
        if prefix is not None and is_web(prefix):
            origin, path = parse_web(prefix)
            return PrefixSource(origin, path.encode())
        return None if prefix is None else PrefixSource.parse(prefix)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


async def _connections(service: Service, name: str | None) -> dict[str, str]:
    """Names by ID, of the connections asked for; removed ones count, since their records stay."""
    known = await service.registry.known_ids(workspace=service.settings.workspace)
    found = {key: value for key, value in known.items() if name in (None, value)}
    if not found:
        await service.registry.get(name or service.settings.default_connection, workspace=service.settings.workspace)
    return found


async def _rows(
    service: Service,
    connection_ids: list[str],
    where: PrefixSource | None,
    state: str | None,
    *,
    versions: bool,
    beside: bool,
) -> AsyncGenerator[Mapping[str, Any]]:
    """With `beside`, each has its `sidecars`, too. Of one key, first the record of the object, then its versions from the latest to the oldest."""
    held: list[Mapping[str, Any]] = []
    async with aclosing(_pages(service, connection_ids, where, state, versions=versions)) as pages:
        async for page in pages:
            for row in await _with_sidecars(service, page) if beside else page:
                if held and _name(row) != _name(held[0]):
                    for one in _by_age(held):
                        yield one
                    held = []
                held.append(row)
    for one in _by_age(held):
        yield one


async def _with_sidecars(service: Service, page: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found = await service.catalog.sidecars(page)
    return [{**row, "sidecars": sidecar_records(one)} for row, one in zip(page, found, strict=True)]


async def _pages(
    service: Service, connection_ids: list[str], where: PrefixSource | None, state: str | None, *, versions: bool
) -> AsyncGenerator[list[Mapping[str, Any]]]:
    after: tuple[str, str, bytes] | tuple[str, str, bytes, str] | None = None
    while True:
        page = await service.catalog.find_assets(
            connection_ids,
            bucket=where.bucket if where else None,
            prefix=where.prefix if where else b"",
            state=state,
            after=after,
            limit=_PAGE,
            versions=versions,
        )
        yield page
        if len(page) < _PAGE:
            return
        after = (*_name(page[-1]), page[-1]["version_id"]) if versions else _name(page[-1])


def _name(row: Mapping[str, Any]) -> tuple[str, str, bytes]:
    return row["connection_id"], row["bucket"], row["key"]


def _by_age(rows: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of one key. Versions of one time stay in the order of their IDs."""
    newest_first = sorted(rows, key=lambda row: row["last_modified"], reverse=True)
    return sorted(newest_first, key=lambda row: (row["version_id"] != "", not row["is_latest"]))


def _json_line(service: Service, connection: str, row: Mapping[str, Any]) -> str:
    return as_json(asset_record(row, workspace=service.settings.workspace, connection=connection))


def _what(row: Mapping[str, Any]) -> str:
    """What its bytes say that it is; empty if nobody has looked at them."""
    size = "" if row["width"] is None else f" {row['width']}x{row['height']}"
    duration = "" if row["duration_s"] is None else f" {row['duration_s']:.1f} s"
    return f"{row['media_type']}{size or duration}" if row["media_type"] else ""


def _line(connection: str, row: Mapping[str, Any]) -> str:
    from ingest.job import uri_of

    uri = uri_of(row["bucket"], shown_key(row["key"]))
    if row["version_id"]:
        uri += f" ({'latest, ' if row['is_latest'] else ''}version {shown(row['version_id'])})"
    what = (
        row["error_code"] or _what(row) or row["content_type"] or ("delete marker" if row["is_delete_marker"] else "-")
    )
    return f"{row['state']:<8} {row['size']:>14,}  {shown(row['last_modified']):<24}  {shown(what):<28} {connection:<16} {uri}"
